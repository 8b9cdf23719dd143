//! Who may call what, over the wire: every RPC of the contract as every kind of caller.
use crate::{
    on_both,
    support::{
        database::TestDatabase,
        dynamic,
        server::{InProcess, admin_token, channel},
        world::World,
    },
};
use serde_json::json;

on_both! {
    async fn a_dynamic_client_calls(world: World) {
        let server = InProcess::start(&world).await;
        let channel = channel(&server.address).await;
        let token = admin_token(&channel).await;
        let answer = dynamic::call(&channel, "IdentityService/GetMe", &json!({}), &token).await.unwrap();
        assert_eq!(answer["user"]["username"], "admin");
        assert_eq!(dynamic::methods().len(), 108);
        server.stop().await;
    }
}
