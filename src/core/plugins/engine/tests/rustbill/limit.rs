//! `max_price`: what one order may cost at the upstream.

use super::*;

#[test]
fn what_is_dearer_than_allowed_is_not_bought() {
    with(|desk| {
        for (limit, is_bought) in
            [("28.99", false), ("28.9", false), ("29", true), ("29.00", true), ("", true), ("5", false)]
        {
            desk.fresh();
            let mut order = wanted();
            order["max_price"] = json!(limit);
            let answer = desk.text("create_instance", &order);
            let placed = desk.names().contains(&"CreateOrder".to_owned());
            assert_eq!((answer.is_ok(), placed), (is_bought, is_bought), "{limit}: {answer:?}");
            if let Err(words) = answer {
                assert!(words.contains("29.00") && words.contains(&format!("{limit:0<5}")) || limit == "5", "{words}");
                assert!(words.contains("`max_price`"), "{words}");
            }
        }
        // It became dearer between the look and the order: that is not paid.
        desk.fresh();
        let mut dearer = order("pending");
        dearer["amount"] = json!("31.00");
        desk.answer("GetOrder", ok(&json!({ "order": dearer })));
        let mut limited = wanted();
        limited["max_price"] = json!("30.00");
        let words = desk.text("create_instance", &limited).unwrap_err();
        assert!(words.contains("31.00") && words.contains("30.00"), "{words}");
        assert!(!desk.names().contains(&"PayOrder".to_owned()));
        for wrong in ["x", "1.234", "1,5", "-1", "1.", ".5"] {
            limited["max_price"] = json!(wrong);
            assert!(desk.text("initialize", &limited).unwrap_err().contains("`max_price`"), "{wrong}");
            assert!(desk.text("create_instance", &limited).unwrap_err().contains("`max_price`"), "{wrong}");
        }
    });
}
