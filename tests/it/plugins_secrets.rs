//! A secret stays one, whatever becomes of the form.

use rustbill::core::plugins::{self, InterfaceUpdate};
use serde_json::{Value, json};

use crate::{
    on_both,
    support::{database::TestDatabase, world::World},
};

const MASK: &str = "********";
const SECRET: &str = "hunter2-do-not-tell";

/// A notifier with this form for its setting `key`, at this version.
fn script(key: &str, version: &str) -> String {
    format!(
        "fn version(c, u) {{ \"{version}\" }}\n\
         fn config_schema(c, u) {{ #{{type: \"object\", properties: #{{{key}}}}} }}\n\
         fn initialize(c, u) {{ Ok(()) }}\nfn send(c, u) {{ rustbill_host::json_get(c, \"key\") }}\n\
         fn supported_events(c, u) {{ [] }}\nfn templates(c, u) {{ #{{}} }}\nfn health_check(c, u) {{ Ok(true) }}\n"
    )
}

const SECRET_KEY: &str = "key: #{type: \"string\", format: \"password\"}";
const PLAIN_KEY: &str = "key: #{type: \"string\"}";

async fn edit(world: &World, interface: &plugins::Interface, source: &str) -> plugins::Interface {
    let hash = plugins::source(&world.app, &world.admin, interface.id).await.unwrap().hash;
    let checked = plugins::update_source(&world.app, &world.admin, interface.id, source, &hash).await.unwrap();
    assert_eq!(checked.issues, []);
    plugins::get(&world.app, &world.admin, interface.id).await.unwrap()
}

async fn set(world: &World, interface: &plugins::Interface, config: &Value) -> plugins::Interface {
    let change = InterfaceUpdate { config_json: Some(config.to_string()), ..InterfaceUpdate::default() };
    plugins::update(&world.app, &world.admin, interface.id, &change).await.unwrap()
}

on_both! {
    async fn an_edited_form_unmasks_no_stored_secret(world: World) {
        world.write_plugin("notifier-own.rn", &script(SECRET_KEY, "1.0.0"));
        let interface = world.interface("notifier-own.rn", json!({ "key": SECRET })).await;
        for form in [PLAIN_KEY, "", PLAIN_KEY, "key: #{type: \"string\", format: \"uri\"}"] {
            let edited = edit(&world, &interface, &script(form, "1.0.0")).await;
            assert_eq!(edited.masked_config(), json!({ "key": MASK }), "{form}");
            // Sent back as it is shown, it keeps its value and its mask.
            let same = set(&world, &edited, &edited.masked_config()).await;
            assert_eq!(same.masked_config(), json!({ "key": MASK }), "{form}");
            assert_eq!(world.app.plugins.call_text(&same, "send", json!({})).await.unwrap(), SECRET);
        }
        edit(&world, &interface, &script(PLAIN_KEY, "1.0.0")).await;
        let other = set(&world, &interface, &json!({ "key": "not a secret" })).await;
        assert_eq!(other.masked_config(), json!({ "key": "not a secret" }), "the form counts for a new value");
        let details = world.db().q("SELECT CAST(detail AS TEXT) FROM operation_logs").scalars::<String>().await.unwrap();
        assert!(details.iter().all(|detail| !detail.contains(SECRET)));
    }

    async fn a_newer_version_of_the_plugin_unmasks_none_either(world: World) {
        world.write_plugin("notifier-own.rn", &script(SECRET_KEY, "1.0.0"));
        let interface = world.interface("notifier-own.rn", json!({ "key": SECRET })).await;
        world.write_plugin("notifier-own.rn", &script(PLAIN_KEY, "1.1.0"));
        assert_eq!(world.scan().await.updated, ["notifier-own.rn"]);
        let kept = plugins::get(&world.app, &world.admin, interface.id).await.unwrap();
        assert_eq!(kept.masked_config(), json!({ "key": MASK }));
        assert_eq!(world.app.plugins.call_text(&kept, "send", json!({})).await.unwrap(), SECRET);
        // Another interface of the same plugin follows the new form.
        let new = world.interface("notifier-own.rn", json!({ "key": "shown" })).await;
        assert_eq!(new.masked_config(), json!({ "key": "shown" }));
    }
}
