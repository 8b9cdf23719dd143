//! How servers end that were bought from an upstream.

use super::*;

#[test]
fn the_end_of_a_server_is_the_end_of_its_order() {
    let asked = json!({ "order_id": ORDER, "instance_id": THERE });
    with(move |desk| {
        desk.answer("TerminateInstance", ok(&json!({})));
        for (status, ended) in [("active", true), ("suspended", true), ("terminated", false), ("cancelled", false)] {
            desk.answer("GetOrder", ok(&json!({ "order": order(status) })));
            assert_eq!(desk.text("terminate_instance", &asked), Ok(String::new()), "{status}");
            assert_eq!(desk.names().contains(&"TerminateInstance".to_owned()), ended, "{status}");
        }
        desk.answer("GetOrder", ok(&json!({ "order": order("provisioning") })));
        assert!(desk.failure("terminate_instance", &asked).contains("provisioning"));
        desk.answer("GetOrder", error("PERMISSION_DENIED", "permission.foreign"));
        assert!(desk.failure("terminate_instance", &asked).contains("permission.foreign"));
        desk.answer("GetOrder", error("NOT_FOUND", "not_found"));
        assert_eq!(desk.text("terminate_instance", &asked), Ok(String::new()));
        // One that has a server, or was paid, is never deleted there: we ask somebody else than who sold it.
        for key in [format!("server:{THERE}"), format!("paying:{ORDER}")] {
            desk.remember(&key, "1000");
            for function in ["terminate_instance", "get_instance_status"] {
                assert!(desk.failure(function, &asked).contains("which was paid"), "{key}: {function}");
            }
            desk.remember(&key, "");
        }
        // Never paid, and long enough ago that no payment is on its way.
        desk.answer("GetOrder", ok(&json!({ "order": order("pending") })));
        desk.remember(&format!("paying:{ORDER}"), "1000");
        assert_eq!(desk.text("terminate_instance", &asked), Ok(String::new()));
        let nothing = json!({ "order_id": "unknown", "instance_id": "" });
        assert!(desk.text("terminate_instance", &nothing).unwrap_err().contains("nothing was bought"));
    });
}
