//! Who acts. Every operation takes an [`Actor`] first and asks it for the permission; no adapter checks rights.

use crate::core::{
    cluster::Fence,
    error::{Error, Result},
    id::Id,
};

/// Who acts, and from where.
#[derive(Clone, Debug)]
pub struct Actor {
    role: Role,
    name: String,
    source: String,
    reservation: Option<Id>,
    fence: Option<Fence>,
}

/// What an actor is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// An administrator, by this user identifier.
    Admin(Id),
    /// May do what an administrator may, except what is marked admin-only.
    Operator(Id),
    /// A customer's user.
    Customer {
        /// The user.
        user_id: Id,
        /// The customer that it belongs to.
        customer_id: Id,
    },
    /// A downstream reseller's key; it acts as its customer.
    ApiKey {
        /// The key.
        key_id: Id,
        /// The customer that it belongs to.
        customer_id: Id,
    },
    /// Somebody with the database's files and the command line: as good as an administrator.
    Local,
    /// The program itself: the worker, the scanner, a callback that proved its signature.
    System,
    /// Nobody we know.
    Anonymous,
}

/// The levels of the interface's documentation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Permission {
    /// Anybody who is logged in.
    Authenticated,
    /// Administrators and operators.
    Admin,
    /// Administrators only.
    AdminOnly,
}

/// Whose data an actor may see.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// Everybody's.
    All,
    /// One customer's.
    Customer(Id),
}

impl Actor {
    /// An actor with a name for the audit log and the address that it comes from.
    pub fn new(role: Role, name: impl Into<String>, source: impl Into<String>) -> Self {
        Self { role, name: name.into(), source: source.into(), reservation: None, fence: None }
    }

    /// The person at the command line of the machine itself.
    #[must_use]
    pub fn local() -> Self {
        Self::new(Role::Local, std::env::var("USER").unwrap_or_else(|_| "local".to_owned()), "cli")
    }

    /// The program itself, in one of its parts.
    #[must_use]
    pub fn system(part: &'static str) -> Self {
        Self::new(Role::System, part, "system")
    }

    /// Nobody we know.
    pub fn anonymous(source: impl Into<String>) -> Self {
        Self::new(Role::Anonymous, "", source)
    }

    /// The same, acting under an idempotency key: what it changes marks this reservation.
    #[must_use]
    pub const fn with_reservation(mut self, reservation: Id) -> Self {
        self.reservation = Some(reservation);
        self
    }

    /// The reservation that its changes mark.
    #[must_use]
    pub const fn reservation(&self) -> Option<Id> {
        self.reservation
    }

    /// The same, acting as the holder of a role: what it changes proves that the role is still this server's.
    #[must_use]
    pub const fn with_fence(mut self, fence: Fence) -> Self {
        self.fence = Some(fence);
        self
    }

    /// The role that it acts in.
    #[must_use]
    pub const fn fence(&self) -> Option<&Fence> {
        self.fence.as_ref()
    }

    /// What it is.
    #[must_use]
    pub const fn role(&self) -> Role {
        self.role
    }

    /// Its name, for the audit log.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Where it comes from: an address, `cli` or `system`.
    #[must_use]
    pub fn source(&self) -> &str {
        &self.source
    }

    /// Its kind as the audit log stores it.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self.role {
            Role::Admin(_) => "admin",
            Role::Operator(_) => "operator",
            Role::Customer { .. } => "customer",
            Role::ApiKey { .. } => "api_key",
            Role::Local => "local",
            Role::System => "system",
            Role::Anonymous => "anonymous",
        }
    }

    /// The identifier of the user or key behind it.
    #[must_use]
    pub const fn id(&self) -> Option<Id> {
        match self.role {
            Role::Admin(id)
            | Role::Operator(id)
            | Role::Customer { user_id: id, .. }
            | Role::ApiKey { key_id: id, .. } => Some(id),
            Role::Local | Role::System | Role::Anonymous => None,
        }
    }

    /// The first line of every operation.
    ///
    /// # Errors
    /// Unauthenticated for nobody; `permission.denied` for somebody without the right.
    pub fn require(&self, permission: Permission) -> Result<()> {
        let allowed = match (self.role, permission) {
            (Role::Anonymous, _) => return Err(Error::unauthenticated("log in first")),
            (Role::Admin(_) | Role::Local | Role::System, _) | (_, Permission::Authenticated) => true,
            (Role::Operator(_), permission) => permission == Permission::Admin,
            (Role::Customer { .. } | Role::ApiKey { .. }, Permission::Admin | Permission::AdminOnly) => false,
        };
        if allowed {
            return Ok(());
        }
        Err(Error::denied(
            "permission.denied",
            match permission {
                Permission::AdminOnly => "only an administrator with the role `admin` may do this",
                Permission::Admin | Permission::Authenticated => "only an administrator may do this",
            },
        ))
    }

    /// Whose data it may see.
    ///
    /// # Errors
    /// Unauthenticated for nobody.
    pub fn scope(&self) -> Result<Scope> {
        match self.role {
            Role::Admin(_) | Role::Operator(_) | Role::Local | Role::System => Ok(Scope::All),
            Role::Customer { customer_id, .. } | Role::ApiKey { customer_id, .. } => Ok(Scope::Customer(customer_id)),
            Role::Anonymous => Err(Error::unauthenticated("log in first")),
        }
    }

    /// The one customer that something is done for: a customer's own, or the one that an administrator names.
    ///
    /// # Errors
    /// Unauthenticated for nobody; `permission.foreign` when a customer names another one; `id.missing` when an
    /// administrator names none.
    pub fn one_customer(&self, requested: Option<Id>) -> Result<Id> {
        self.scope()?
            .narrow(requested)?
            .ok_or_else(|| Error::invalid("id.missing", "`customer_id` is missing, expected a UUID"))
    }

    /// Refuses the data of a customer that it may not see.
    ///
    /// # Errors
    /// Unauthenticated for nobody; `permission.foreign` for another customer's data.
    pub fn require_customer(&self, owner: Id) -> Result<()> {
        match self.scope()? {
            Scope::All => Ok(()),
            Scope::Customer(own) if own == owner => Ok(()),
            Scope::Customer(_) => Err(Error::denied("permission.foreign", "this belongs to another customer")),
        }
    }
}

impl Scope {
    /// Narrows a requested customer to what may be seen.
    ///
    /// # Errors
    /// `permission.foreign` when a customer asks for another one.
    pub fn narrow(self, requested: Option<Id>) -> Result<Option<Id>> {
        match (self, requested) {
            (Self::All, requested) => Ok(requested),
            (Self::Customer(own), Some(other)) if other != own => {
                Err(Error::denied("permission.foreign", "this belongs to another customer"))
            }
            (Self::Customer(own), _) => Ok(Some(own)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::error::Kind;

    #[test]
    fn each_role_has_its_permissions() {
        let id = Id::generate();
        let cases = [
            (Role::Admin(id), [true, true, true]),
            (Role::Local, [true, true, true]),
            (Role::System, [true, true, true]),
            (Role::Operator(id), [true, true, false]),
            (Role::Customer { user_id: id, customer_id: id }, [true, false, false]),
            (Role::ApiKey { key_id: id, customer_id: id }, [true, false, false]),
            (Role::Anonymous, [false, false, false]),
        ];
        for (role, expected) in cases {
            let actor = Actor::new(role, "x", "test");
            for (permission, expected) in
                [Permission::Authenticated, Permission::Admin, Permission::AdminOnly].into_iter().zip(expected)
            {
                assert_eq!(actor.require(permission).is_ok(), expected, "{role:?} {permission:?}");
            }
        }
    }

    #[test]
    fn a_customer_is_kept_to_its_own_data() {
        let (own, other) = (Id::generate(), Id::generate());
        let actor = Actor::new(Role::Customer { user_id: own, customer_id: own }, "x", "test");
        assert!(actor.require_customer(own).is_ok());
        assert_eq!(actor.one_customer(None).unwrap(), own);
        assert!(Actor::local().one_customer(None).is_err());
        assert_eq!(actor.require_customer(other).unwrap_err().kind(), Kind::PermissionDenied);
        let scope = actor.scope().unwrap();
        assert_eq!(scope.narrow(None).unwrap(), Some(own));
        assert!(scope.narrow(Some(other)).is_err());
        assert_eq!(Scope::All.narrow(None).unwrap(), None);
    }
}
