//! `provider-kvm`, as far as it needs no cluster; tests/it/kvm.rs has the rest.

use super::shipped::{fingerprints, with};
use super::*;

const KVM: &str = include_str!("../../../../../plugins/provider-kvm.rn");

/// Settings, and more fields.
fn kvm(more: &Value) -> Value {
    let mut merged = json!({
        "api_url": "https://pve1.example.com:8006/", "token_id": "rustbill@pve!shop", "token_secret": "hunter2",
        "fingerprint": "AB:".repeat(32), "templates": [
            {"os": "debian-13", "vmid": 9000, "label": "Debian 13"}, {"os": "debian-13", "vmid": 9001}, {"os": "alma-10", "vmid": 9002},
        ],
        "vmid_min": 100, "vmid_max": 120, "cpu_cores_max": 8, "memory_gb_max": 32, "disk_gb_max": 200,
        "plans": [
            {"name": "S", "cpu_cores": 1, "memory_gb": 2, "disk_gb": 20, "cost": "3.50"},
            {"name": "M", "cpu_cores": 2, "memory_gb": 4, "disk_gb": 40, "bandwidth_mbps": 100},
        ],
    });
    for (key, value) in more.as_object().unwrap() {
        merged[key] = value.clone();
    }
    merged
}

/// What the cluster answers to everything.
fn answers(bench: &Bench, status: u16, body: &Value) {
    let answer = json!({"status": status, "headers": {}, "body": body.to_string()}).to_string();
    bench.world.lock().unwrap().reply = Ok(answer);
}

#[test]
fn settings_are_checked() {
    let inspected = inspect(Kind::FirstPartyProvider, KVM).unwrap();
    assert!(inspected.has_admin_page);
    assert_eq!(inspected.config_schema["properties"]["token_secret"]["format"], "password");
    with(Kind::FirstPartyProvider, KVM, |bench| {
        assert_eq!(bench.text("initialize", &kvm(&json!({}))), Ok(String::new()));
        for (field, value, word) in [
            ("api_url", json!("http://pve"), "`api_url`"),
            ("token_id", json!("root"), "`token_id`"),
            ("templates", json!([]), "`templates`"),
            ("vmid_min", json!(121), "`vmid_min`"),
        ] {
            let refused = bench.text("initialize", &kvm(&json!({ field: value }))).unwrap_err();
            assert!(refused.contains(word), "{refused}");
        }
        let both = json!({"clone": "linked", "storage": "fast"});
        assert!(bench.text("initialize", &kvm(&both)).unwrap_err().contains("`storage`"));
        assert!(bench.world.lock().unwrap().requests.is_empty(), "nobody was asked");
    });
}

#[test]
fn plans_and_the_form() {
    with(Kind::FirstPartyProvider, KVM, |bench| {
        let template = bench.json("spec_template", &kvm(&json!({})));
        assert_eq!(template["fields"][0]["max"], 8);
        let systems = json!([{"value": "debian-13", "label": "Debian 13", "description": ""}, {"value": "alma-10", "label": "alma-10", "description": ""}]);
        assert_eq!(template["fields"][4]["options"], systems);
        let products = bench.json("sync_products", &kvm(&json!({})));
        assert_eq!(products[0]["cost_price"], "3.50");
        assert_eq!(
            products[1]["specs"],
            json!({"cpu_cores": "2", "memory_gb": "4", "disk_gb": "40", "bandwidth_mbps": "100"})
        );
        let small = kvm(&json!({"cpu_cores": "1", "memory_gb": "2", "disk_gb": "20", "bandwidth_mbps": "0"}));
        assert_eq!(bench.json("query_price", &small), json!({"amount": "3.50", "billing_cycle": "monthly"}));
        let medium = kvm(&json!({"cpu_cores": "2", "memory_gb": "4", "disk_gb": "40", "bandwidth_mbps": "100"}));
        assert!(bench.text("query_price", &medium).unwrap_err().contains("has a cost"));
    });
}

#[test]
fn a_block_is_no_lock() {
    with(Kind::FirstPartyProvider, KVM, |bench| {
        for (words, is_passing) in [
            ("cannot write block 17: the blockdev is unlocked and disconnected", false),
            ("VM is locked (backup)", true),
            ("can't lock file '/var/lock/qemu-server/lock-100.conf' - got timeout", true),
            ("cluster not ready - no quorum?", true),
            ("Connection refused", true),
        ] {
            // The task of a step ended so: it is tried again, or the machine goes.
            answers(bench, 200, &json!({"data": {"status": "stopped", "exitstatus": words}}));
            let state = json!({"stage": "resize", "vmid": 100, "node": "pve1", "wish": {}, "template": 9002, "source": "pve1",
                "upid": "UPID:pve1:1:2:3:resize:100:x:", "tries": 0, "since": 0, "address": "", "reason": ""});
            bench.world.lock().unwrap().state.insert("order:o1".to_owned(), state.to_string());
            bench.call("get_instance_status", &kvm(&json!({"instance_id": "rb-o1"}))).unwrap_err();
            let state: Value = serde_json::from_str(&bench.world.lock().unwrap().state["order:o1"]).unwrap();
            assert_eq!(state["stage"], if is_passing { "resize" } else { "remove" }, "{words}");
        }
    });
}

#[test]
fn requests_carry_the_token_and_the_fingerprint() {
    with(Kind::FirstPartyProvider, KVM, |bench| {
        answers(bench, 401, &json!({}));
        let refused = bench.text("health_check", &kvm(&json!({}))).unwrap_err();
        assert!(refused.contains("token is not accepted") && !refused.contains("hunter2"), "{refused}");
        let (function, arguments) = bench.world.lock().unwrap().requests.pop().unwrap();
        assert_eq!(function, HostFunction::HttpRequestWithCert);
        assert_eq!(arguments[..4], ["GET", "https://pve1.example.com:8006/api2/json/version", "", ""]);
        let trust: Value = serde_json::from_str(&arguments[4]).unwrap();
        let headers = json!({"Authorization": "PVEAPIToken=rustbill@pve!shop=hunter2"});
        assert_eq!(trust, json!({"fingerprint": "AB:".repeat(32), "headers": headers}));
    });
}

#[test]
fn what_can_not_be_made_is_refused_and_what_is_not_known_fails() {
    with(Kind::FirstPartyProvider, KVM, |bench| {
        let order = |more: Value| {
            let mut fields =
                json!({"order_id": "o1", "cpu_cores": "2", "memory_gb": "4", "disk_gb": "40", "os": "debian-13"});
            fields.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            kvm(&fields)
        };
        let node = json!({"type": "node", "node": "pve1", "status": "online", "mem": 0, "maxmem": 8_u64 << 30});
        let template = json!({"type": "qemu", "vmid": 9000, "node": "pve1", "template": 1, "status": "stopped"});
        answers(bench, 200, &json!({"data": [node, template]}));
        for (more, word) in [
            (json!({"os": "plan-9"}), "plan-9"),
            (json!({"os": "alma-10"}), "shows no template"),
            (json!({"memory_gb": "16"}), "16 GB of memory"),
            (json!({"disk_gb": "0"}), "`disk_gb`"),
            (json!({"ssh_key": "hello"}), "SSH key"),
            (json!({"ssh_key": "ssh-ed25519 A\nssh-rsa B"}), "more than one line"),
        ] {
            let refused = bench.text("create_instance", &order(more)).unwrap_err();
            assert!(refused.contains(word), "{refused}");
        }
        assert!(bench.world.lock().unwrap().state.is_empty(), "nothing is remembered of it");
        // Nobody knows whether a machine is there.
        for status in [0, 401, 500, 502, 595] {
            answers(bench, status, &json!({"data": null}));
            assert!(bench.call("create_instance", &order(json!({}))).is_err(), "{status}");
            assert!(bench.call("terminate_instance", &order(json!({}))).is_err(), "{status}");
        }
    });
}

#[test]
fn settings_that_can_not_be_used_are_not_blamed_on_the_cluster() {
    with(Kind::FirstPartyProvider, KVM, |bench| {
        for (text, fits) in fingerprints() {
            let answer = bench.text("initialize", &kvm(&json!({ "fingerprint": text })));
            assert_eq!(answer.is_ok(), fits, "{text}: {answer:?}");
            assert!(fits || answer.unwrap_err().starts_with("`fingerprint` is not 64"), "{text}");
        }
        let health = bench.text("health_check", &kvm(&json!({ "fingerprint": "AB:CD" }))).unwrap_err();
        assert!(health.starts_with("`fingerprint` is not 64"), "{health}");
        for (said, told) in [
            ("`ca` holds no certificate", "`ca` holds no certificate"),
            ("GET h failed: refused", "the cluster does not answer: GET h failed: refused"),
        ] {
            let answer = json!({ "status": 0, "headers": {}, "body": "", "error": said }).to_string();
            bench.world.lock().unwrap().reply = Ok(answer);
            assert_eq!(bench.text("health_check", &kvm(&json!({}))), Err(told.to_owned()));
            assert!(bench.json("admin_page", &kvm(&json!({})))["html"].as_str().unwrap().contains(told));
        }
    });
}
