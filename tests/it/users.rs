//! Changing and deleting users, passwords, and what a login gives: who may, and what ends.

use rustbill::{
    core::{
        actor::{Actor, Role},
        error::{Kind, Result},
        id::Id,
        identity::{self, AdminRole, Credential, Grant, NewUser, User, UserFilter, UserKind, UserUpdate},
        page::PageRequest,
        secret::Secret,
    },
    server::grpc::protocol::rustbill as proto,
};
use tonic::Code;

use crate::{
    on_both,
    support::{
        database::TestDatabase,
        login::{is_known, refresh, tokens},
        server::{InProcess, admin_token, channel, customer_token, with_token},
        world::{PASSWORD, World, actor_of, at_once},
    },
};
use proto::identity::{
    AdminResetPasswordRequest, ChangePasswordRequest, DeleteUserRequest, GetMeRequest, UpdateUserRequest,
    identity_service_client::IdentityServiceClient,
};

async fn administrator(world: &World, name: &str, role: AdminRole) -> User {
    let new = NewUser {
        username: name.to_owned(),
        email: format!("{name}@example.com"),
        display_name: String::new(),
        password: Secret::new(PASSWORD),
        kind: UserKind::Admin,
        role: Some(role),
        customer_id: None,
    };
    identity::create_user(&world.app, &world.admin, new).await.unwrap()
}

fn as_operator(user: &User) -> Actor {
    Actor::new(Role::Operator(user.id), user.username.clone(), "::1")
}

async fn session(world: &World, username: &str, password: &str) -> String {
    let login = identity::login(&world.app, "::1", UserKind::Admin, username, password).await.unwrap();
    let Grant::Session { token, .. } = login.grant else { panic!("an administrator gets a session") };
    token.reveal().to_owned()
}

async fn update(world: &World, actor: &Actor, id: Id, change: UserUpdate) -> Result<User> {
    identity::update_user(&world.app, actor, None, id, &change).await
}

fn disable() -> UserUpdate {
    UserUpdate { is_active: Some(false), ..UserUpdate::default() }
}

fn role(role: AdminRole) -> UserUpdate {
    UserUpdate { role: Some(role), ..UserUpdate::default() }
}

fn email(address: &str) -> UserUpdate {
    UserUpdate { email: Some(address.to_owned()), ..UserUpdate::default() }
}

fn admin_id(world: &World) -> Id {
    world.admin.id().unwrap()
}

on_both! {
    async fn the_fields_that_are_given_change(world: World) {
        let (ann, ben) = (world.customer().await, world.customer().await);
        let (user, other) = (world.customer_user(&ann).await, world.customer_user(&ben).await);
        let changed = update(&world, &world.admin, user.id, UserUpdate {
            email: Some(" Next@Example.com".to_owned()),
            display_name: Some("Ann Lee".to_owned()),
            ..UserUpdate::default()
        })
        .await
        .unwrap();
        assert_eq!((changed.email.as_str(), changed.display_name.as_str()), ("next@example.com", "Ann Lee"));
        assert_eq!((&changed.username, changed.is_active, changed.customer_id), (&user.username, true, Some(ann.id)));
        let found = identity::get_user(&world.app, &world.admin, None, user.id).await.unwrap();
        assert_eq!(found.email, "next@example.com");
        let search = rustbill::core::text::search_filter(Some("next@")).unwrap();
        let filter = UserFilter { search, ..UserFilter::default() };
        let listed = identity::list_users(&world.app, &world.admin, UserKind::Customer, &filter, PageRequest::default()).await.unwrap();
        assert_eq!((listed.total, listed.items[0].id), (1, user.id));
        // The new address is taken, the old one is free.
        assert_eq!(update(&world, &world.admin, other.id, email("next@example.com")).await.unwrap_err().kind(), Kind::AlreadyExists);
        update(&world, &world.admin, other.id, email(&user.email)).await.unwrap();
        // Unchanged values are no conflict with oneself.
        update(&world, &world.admin, other.id, email(&user.email)).await.unwrap();

        let (op, second) = (administrator(&world, "op", AdminRole::Operator).await, administrator(&world, "op2", AdminRole::Operator).await);
        assert_eq!(update(&world, &world.admin, op.id, email(&second.email)).await.unwrap_err().code(), "name.taken");
        assert_eq!(update(&world, &world.admin, op.id, role(AdminRole::Admin)).await.unwrap().role, Some(AdminRole::Admin));
        let customer = |id| UserUpdate { customer_id: Some(id), ..UserUpdate::default() };
        for (id, change, code) in [
            (user.id, email("nonsense"), "email.malformed"),
            (user.id, email(""), "email.malformed"),
            (user.id, role(AdminRole::Admin), "user.role"),
            (op.id, customer(ann.id), "user.customer"),
            (user.id, customer(Id::generate()), "not_found"),
            (Id::generate(), UserUpdate::default(), "not_found"),
            (user.id, UserUpdate { display_name: Some("x".repeat(201)), ..UserUpdate::default() }, "text.too_long"),
        ] {
            assert_eq!(update(&world, &world.admin, id, change).await.unwrap_err().code(), code);
        }
        let kind = identity::update_user(&world.app, &world.admin, Some(UserKind::Admin), user.id, &UserUpdate::default()).await;
        assert_eq!(kind.unwrap_err().kind(), Kind::NotFound);
    }

    async fn a_user_of_another_customer_is_logged_out_and_keeps_its_names(world: World) {
        let (ann, ben) = (world.customer().await, world.customer().await);
        let user = world.customer_user(&ann).await;
        let old = tokens(&world, &user.username, PASSWORD).await;
        let moved = update(&world, &world.admin, user.id, UserUpdate { customer_id: Some(ben.id), ..UserUpdate::default() }).await.unwrap();
        assert_eq!(moved.customer_id, Some(ben.id));
        assert!(!is_known(&world, old.access.reveal()).await);
        assert!(refresh(&world, &old.refresh).await.is_err());
        let now = tokens(&world, &user.username, PASSWORD).await;
        let actor = identity::authenticate(&world.app, Credential::of_bearer(now.access.reveal()), "::1").await.unwrap();
        assert_eq!(actor.role(), Role::Customer { user_id: user.id, customer_id: ben.id });
        assert_eq!(world.count("SELECT CAST(COUNT(*) AS BIGINT) FROM customer_users").await, 1);
    }

    async fn the_last_admin_stays(world: World) {
        let id = admin_id(&world);
        administrator(&world, "op", AdminRole::Operator).await;
        let sleeper = administrator(&world, "sleeper", AdminRole::Admin).await;
        update(&world, &world.admin, sleeper.id, disable()).await.unwrap();
        for change in [disable(), role(AdminRole::Operator)] {
            let error = update(&world, &world.admin, id, change).await.unwrap_err();
            assert_eq!((error.kind(), error.code()), (Kind::InvalidArgument, "user.last_admin"));
        }
        assert_eq!(identity::delete_user(&world.app, &world.admin, None, id).await.unwrap_err().code(), "user.last_admin");
        // What is no loss is allowed, also to the last one.
        update(&world, &world.admin, id, email("boss@example.com")).await.unwrap();
        identity::delete_user(&world.app, &world.admin, None, sleeper.id).await.unwrap();
        administrator(&world, "second", AdminRole::Admin).await;
        identity::delete_user(&world.app, &Actor::local(), None, id).await.unwrap();
        assert_eq!(world.count("SELECT CAST(COUNT(*) AS BIGINT) FROM admin_users WHERE role = 'admin'").await, 1);
    }

    async fn the_last_admin_stays_also_when_all_go_at_once(world: World) {
        let mut ids = vec![admin_id(&world)];
        for index in 0..5 {
            ids.push(administrator(&world, &format!("admin{index}"), AdminRole::Admin).await.id);
        }
        let results = at_once(6, |index| {
            let (app, id) = (world.app.clone(), ids[index]);
            async move {
                let actor = Actor::local();
                match index % 3 {
                    0 => identity::delete_user(&app, &actor, None, id).await,
                    1 => identity::update_user(&app, &actor, None, id, &disable()).await.map(drop),
                    _ => identity::update_user(&app, &actor, None, id, &role(AdminRole::Operator)).await.map(drop),
                }
            }
        })
        .await;
        let refused: Vec<&str> = results.iter().filter_map(|result| result.as_ref().err()).map(rustbill::core::error::Error::code).collect();
        assert_eq!(refused, ["user.last_admin"]);
        assert_eq!(world.count("SELECT CAST(COUNT(*) AS BIGINT) FROM admin_users WHERE role = 'admin' AND is_active = TRUE").await, 1);
    }

    async fn who_is_disabled_or_deleted_is_out(world: World) {
        let op = administrator(&world, "op", AdminRole::Operator).await;
        let user = world.customer_user(&world.customer().await).await;
        let (sid, old) = (session(&world, "op", PASSWORD).await, tokens(&world, &user.username, PASSWORD).await);
        for id in [op.id, user.id] {
            assert!(!update(&world, &world.admin, id, disable()).await.unwrap().is_active);
        }
        assert!(!is_known(&world, &sid).await && !is_known(&world, old.access.reveal()).await);
        assert_eq!(world.count("SELECT CAST(COUNT(*) AS BIGINT) FROM sessions").await, 0);
        // Nothing comes back with the right to log in.
        for id in [op.id, user.id] {
            update(&world, &world.admin, id, UserUpdate { is_active: Some(true), ..UserUpdate::default() }).await.unwrap();
        }
        assert!(!is_known(&world, &sid).await && !is_known(&world, old.access.reveal()).await);
        assert_eq!(refresh(&world, &old.refresh).await.unwrap_err().code(), "refresh_token.invalid");

        let (sid, old) = (session(&world, "op", PASSWORD).await, tokens(&world, &user.username, PASSWORD).await);
        for id in [op.id, user.id] {
            identity::delete_user(&world.app, &world.admin, None, id).await.unwrap();
            assert_eq!(identity::delete_user(&world.app, &world.admin, None, id).await.unwrap_err().kind(), Kind::NotFound);
        }
        assert!(!is_known(&world, &sid).await && !is_known(&world, old.access.reveal()).await);
        assert!(refresh(&world, &old.refresh).await.is_err());
        // The names are free again.
        administrator(&world, "op", AdminRole::Operator).await;
        let again = NewUser {
            username: user.username.clone(),
            email: user.email.clone(),
            display_name: String::new(),
            password: Secret::new(PASSWORD),
            kind: UserKind::Customer,
            role: None,
            customer_id: user.customer_id,
        };
        identity::create_user(&world.app, &world.admin, again).await.unwrap();
        let logged = world.db().q("SELECT CAST(detail AS TEXT) FROM operation_logs").scalars::<String>().await.unwrap();
        assert!(logged.iter().all(|text| !text.contains("argon2") && !text.contains(PASSWORD)));
    }

    async fn an_administrator_with_tickets_is_not_deleted(world: World) {
        let op = administrator(&world, "op", AdminRole::Operator).await;
        let customer = world.customer().await;
        let mut tx = world.db().begin().await.unwrap();
        tx.q("INSERT INTO tickets (id, customer_id, title, description, status, priority, assignee_user_id, creator_user_id, created_at, updated_at) \
              VALUES ($1, $2, 'x', '', 'pending', 'low', $3, $1, $4, $4)")
            .bind(Id::generate())
            .bind(customer.id)
            .bind(op.id)
            .bind(world.app.clock.now())
            .execute_one()
            .await
            .unwrap();
        tx.commit().await.unwrap();
        let error = identity::delete_user(&world.app, &world.admin, None, op.id).await.unwrap_err();
        assert_eq!((error.kind(), error.code()), (Kind::InvalidArgument, "user.in_use"));
    }

    async fn each_caller_has_its_rights(world: World) {
        let (ann, ben) = (world.customer().await, world.customer().await);
        let (anns, bens) = (world.customer_user(&ann).await, world.customer_user(&ben).await);
        let op = administrator(&world, "op", AdminRole::Operator).await;
        let boss = administrator(&world, "boss", AdminRole::Admin).await;
        let (operator, nobody) = (as_operator(&op), Actor::anonymous("::1"));
        let (anns_actor, bens_actor) = (actor_of(&anns), actor_of(&bens));
        let denied = Some(Kind::PermissionDenied);
        for (who, actor, changes, deletes) in [
            ("nobody", &nobody, Some(Kind::Unauthenticated), Some(Kind::Unauthenticated)),
            ("the user itself", &anns_actor, denied, denied),
            ("another customer", &bens_actor, denied, denied),
            ("an operator", &operator, None, denied),
            ("an administrator", &world.admin, None, None),
        ] {
            let changed = update(&world, actor, anns.id, email(&anns.email)).await;
            assert_eq!(changed.err().map(|error| error.kind()), changes, "{who}");
            let reset = identity::reset_password_of(&world.app, actor, None, anns.id, PASSWORD).await;
            assert_eq!(reset.err().map(|error| error.kind()), deletes, "{who}");
            let victim = world.customer_user(&ann).await;
            let deleted = identity::delete_user(&world.app, actor, None, victim.id).await;
            assert_eq!(deleted.err().map(|error| error.kind()), deletes, "{who}");
        }
        // An operator neither promotes itself nor locks out who is above it, but may disable customers' users.
        for (id, change) in [
            (op.id, role(AdminRole::Admin)),
            (boss.id, role(AdminRole::Operator)),
            (boss.id, disable()),
            (op.id, disable()),
        ] {
            assert_eq!(update(&world, &operator, id, change).await.unwrap_err().kind(), Kind::PermissionDenied);
        }
        update(&world, &operator, bens.id, disable()).await.unwrap();
        update(&world, &operator, op.id, email("op3@example.com")).await.unwrap();
        for actor in [&nobody, &Actor::local()] {
            let changed = identity::change_password(&world.app, actor, None, PASSWORD, "new password").await;
            assert_eq!(changed.unwrap_err().kind(), Kind::Unauthenticated);
        }
    }

    async fn a_changed_password_ends_the_others(world: World) {
        let user = world.customer_user(&world.customer().await).await;
        let server = InProcess::start(&world).await;
        let channel = channel(&server.address).await;
        let mut client = IdentityServiceClient::new(channel.clone());
        let change = |old: &str, new: &str| ChangePasswordRequest { old_password: old.to_owned(), new_password: new.to_owned() };
        let me = |token: &str| with_token(GetMeRequest {}, token);

        let (own, other) = (admin_token(&channel).await, admin_token(&channel).await);
        for (bad, names) in [(change("wrong", "new password"), "old_password"), (change(PASSWORD, "12345"), "new_password")] {
            let status = client.change_password(with_token(bad, &own)).await.unwrap_err();
            assert_eq!(status.code(), Code::InvalidArgument);
            assert!(status.message().contains(names), "{status}");
        }
        assert_eq!(client.change_password(change(PASSWORD, "new password")).await.unwrap_err().code(), Code::Unauthenticated);
        client.get_me(me(&other)).await.unwrap();
        client.change_password(with_token(change(PASSWORD, "new password"), &own)).await.unwrap();
        client.get_me(me(&own)).await.unwrap();
        assert_eq!(client.get_me(me(&other)).await.unwrap_err().code(), Code::Unauthenticated);
        assert!(identity::login(&world.app, "::1", UserKind::Admin, "admin", PASSWORD).await.is_err());
        session(&world, "admin", "new password").await;

        let (own, other) = (tokens(&world, &user.username, PASSWORD).await, tokens(&world, &user.username, PASSWORD).await);
        client.change_password(with_token(change(PASSWORD, "new password"), own.access.reveal())).await.unwrap();
        client.get_me(me(own.access.reveal())).await.unwrap();
        assert_eq!(client.get_me(me(other.access.reveal())).await.unwrap_err().code(), Code::Unauthenticated);
        assert!(refresh(&world, &other.refresh).await.is_err());
        refresh(&world, &own.refresh).await.unwrap();
        server.stop().await;
    }

    async fn an_administrator_sets_a_password(world: World) {
        let user = world.customer_user(&world.customer().await).await;
        let server = InProcess::start(&world).await;
        let channel = channel(&server.address).await;
        let mut client = IdentityServiceClient::new(channel.clone());
        let admin = admin_token(&channel).await;
        let old = customer_token(&channel, &user.username).await;
        let request = |id: String, password: &str| {
            with_token(AdminResetPasswordRequest { user_id: id, new_password: password.to_owned() }, &admin)
        };
        for (id, password, code) in [
            ("42".to_owned(), "new password", Code::InvalidArgument),
            (Id::generate().to_string(), "new password", Code::NotFound),
            (user.id.to_string(), "12345", Code::InvalidArgument),
        ] {
            assert_eq!(client.admin_reset_password(request(id, password)).await.unwrap_err().code(), code);
        }
        client.admin_reset_password(request(user.id.to_string(), "new password")).await.unwrap();
        assert_eq!(client.get_me(with_token(GetMeRequest {}, &old)).await.unwrap_err().code(), Code::Unauthenticated);
        tokens(&world, &user.username, "new password").await;

        // The other calls decode, too.
        let change = UpdateUserRequest { id: user.id.to_string(), display_name: Some("Ann".to_owned()), role: Some(String::new()), ..UpdateUserRequest::default() };
        let changed = client.update_user(with_token(change, &admin)).await.unwrap().into_inner().user.unwrap();
        assert_eq!((changed.display_name.as_str(), changed.email.as_str()), ("Ann", user.email.as_str()));
        for (field, change) in [
            ("id", UpdateUserRequest { id: "42".to_owned(), ..UpdateUserRequest::default() }),
            ("role", UpdateUserRequest { id: user.id.to_string(), role: Some("root".to_owned()), ..UpdateUserRequest::default() }),
            ("user_type", UpdateUserRequest { id: user.id.to_string(), user_type: Some("root".to_owned()), ..UpdateUserRequest::default() }),
        ] {
            let status = client.update_user(with_token(change, &admin)).await.unwrap_err();
            assert!(status.code() == Code::InvalidArgument && status.message().contains(field), "{status}");
        }
        client.delete_user(with_token(DeleteUserRequest { id: user.id.to_string() }, &admin)).await.unwrap();
        let gone = client.delete_user(with_token(DeleteUserRequest { id: user.id.to_string() }, &admin)).await.unwrap_err();
        assert_eq!(gone.code(), Code::NotFound);
        server.stop().await;
    }
}
