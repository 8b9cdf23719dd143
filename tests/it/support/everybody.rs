//! One caller of each kind over the wire, to ask who may do what.

use rustbill::{
    core::{
        customers::Customer,
        id::Id,
        identity::{self, AdminRole, NewUser, UserKind},
        secret::Secret,
    },
    server::grpc::protocol::rustbill::identity::{LoginRequest, identity_service_client::IdentityServiceClient},
};
use tonic::{Code, Request, Status, transport::Channel};

use super::{
    server::{admin_token, customer_token, with_token},
    world::{PASSWORD, World},
};

/// Somebody who calls.
pub(crate) struct Caller {
    pub(crate) name: &'static str,
    pub(crate) token: String,
    may_administrate: bool,
}

/// Nobody, the users of two customers, an operator and an administrator.
pub(crate) struct Everybody {
    pub(crate) callers: Vec<Caller>,
    pub(crate) customers: [Customer; 2],
}

impl Everybody {
    pub(crate) async fn log_in(world: &World, channel: &Channel) -> Self {
        let customers = [world.customer().await, world.customer().await];
        let mut callers = vec![Caller { name: "nobody", token: String::new(), may_administrate: false }];
        for (customer, name) in customers.iter().zip(["customer A", "customer B"]) {
            let user = world.customer_user(customer).await;
            let token = customer_token(channel, &user.username).await;
            callers.push(Caller { name, token, may_administrate: false });
        }
        let username = format!("op-{}", Id::generate());
        let operator = NewUser {
            username: username.clone(),
            email: String::new(),
            display_name: String::new(),
            password: Secret::new(PASSWORD),
            kind: UserKind::Admin,
            role: Some(AdminRole::Operator),
            customer_id: None,
        };
        identity::create_user(&world.app, &world.admin, operator).await.unwrap();
        let request = LoginRequest { username, password: PASSWORD.to_owned(), user_type: "admin".to_owned() };
        let response = IdentityServiceClient::new(channel.clone()).login(request).await.unwrap();
        let cookie = response.metadata().get("set-cookie").unwrap().to_str().unwrap().to_owned();
        let token = cookie.split_once('=').unwrap().1.split(';').next().unwrap().to_owned();
        callers.push(Caller { name: "operator", token, may_administrate: true });
        callers.push(Caller { name: "admin", token: admin_token(channel).await, may_administrate: true });
        Self { callers, customers }
    }

    pub(crate) fn admin(&self) -> &Caller {
        self.callers.last().unwrap()
    }
}

impl Caller {
    /// The message with this caller's token.
    pub(crate) fn says<T>(&self, message: T) -> Request<T> {
        if self.token.is_empty() { Request::new(message) } else { with_token(message, &self.token) }
    }

    /// Checks that an RPC for administrators turned this caller away, or did not.
    pub(crate) fn is_kept_to_admins<T>(&self, rpc: &str, result: &Result<T, Status>) {
        let code = result.as_ref().err().map_or(Code::Ok, Status::code);
        let expected = match (self.may_administrate, self.token.is_empty()) {
            (true, _) => None,
            (false, true) => Some(Code::Unauthenticated),
            (false, false) => Some(Code::PermissionDenied),
        };
        match expected {
            Some(expected) => assert_eq!(code, expected, "{rpc} as {}", self.name),
            None => assert!(!turned_away(code), "{rpc} as {}: {code}", self.name),
        }
    }

    /// Checks that an RPC for everybody did not turn this caller away.
    pub(crate) fn is_let_in<T>(&self, rpc: &str, result: &Result<T, Status>) {
        let code = result.as_ref().err().map_or(Code::Ok, Status::code);
        assert!(!turned_away(code), "{rpc} as {}: {code}", self.name);
    }
}

fn turned_away(code: Code) -> bool {
    matches!(code, Code::Unauthenticated | Code::PermissionDenied | Code::Unimplemented)
}

/// Calls RPCs as each caller and lets `$judge` look at what came back.
#[macro_export]
macro_rules! as_everybody {
    ($everybody:expr, $judge:ident, $client:expr; $($rpc:ident($request:expr)),+ $(,)?) => {
        for caller in &$everybody.callers {
            $(
                let result = $client.$rpc(caller.says($request)).await;
                caller.$judge(stringify!($rpc), &result);
            )+
        }
    };
}
