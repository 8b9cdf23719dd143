//! What the tests stand on: databases, a world with a shop in it, servers, peers.

pub(crate) mod cli;
pub(crate) mod database;
pub(crate) mod dump;
pub(crate) mod dynamic;
pub(crate) mod engine;
pub(crate) mod everybody;
pub(crate) mod gateway;
pub(crate) mod login;
pub(crate) mod lxd;
pub(crate) mod mail;
pub(crate) mod proxmox;
pub(crate) mod python;
pub(crate) mod receiver;
pub(crate) mod redis;
pub(crate) mod rows;
pub(crate) mod server;
pub(crate) mod stage;
pub(crate) mod upstream;
pub(crate) mod wait;
pub(crate) mod world;
pub(crate) mod yipay;

/// Runs each test body twice, on a fresh SQLite file and on a fresh PostgreSQL database. `with make;` in front names the
/// function that makes the world on a database, where it is not `World::on`.
#[macro_export]
macro_rules! on_both {
    (with $make:path; $($(#[$meta:meta])* async fn $name:ident($world:ident: World) $body:block)+) => {
        $(
            $(#[$meta])*
            mod $name {
                use super::*;

                async fn body($world: World) $body

                #[tokio::test(flavor = "multi_thread")]
                async fn sqlite() {
                    body($make(TestDatabase::sqlite()).await).await;
                }

                #[tokio::test(flavor = "multi_thread")]
                async fn postgres() {
                    body($make(TestDatabase::postgres().await).await).await;
                }
            }
        )+
    };
    ($(#[$meta:meta])* async $($tests:tt)+) => {
        $crate::on_both! { with World::on; $(#[$meta])* async $($tests)+ }
    };
}
