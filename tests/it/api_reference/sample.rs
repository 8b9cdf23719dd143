//! Values for the examples: what a request could hold, from the names, types and comments of its fields.
//!
//! Words in capitals such as `ORDER_ID` stand for something that the reader has. `examples.rs` puts real ones there and
//! runs every example.

use super::model::{Api, Field, Kind, Message, Shape};

/// Fields of one message, as JSON; empty leaves the field out.
const IN_MESSAGE: &[(&str, &str, &str)] = &[
    ("AdjustBalanceRequest", "amount", r#""100.00""#),
    ("AdjustBalanceRequest", "description", r#""Paid in cash""#),
    ("CallPluginActionRequest", "args_json", r#""{}""#),
    ("CheckPluginSourceRequest", "source", r#""pub fn version(config, _unused) { \"1.0.0\" }""#),
    ("CreateApiKeyRequest", "name", r#""Their shop""#),
    ("CreateCustomerRequest", "contact_person", ""),
    ("CreateCustomerRequest", "email", r#""ann.lee@example.com""#),
    ("CreateCustomerRequest", "name", r#""Ann Lee""#),
    ("CreateCustomerRequest", "notes", ""),
    ("CreateInvoiceRequest", "amount", r#""58.00""#),
    ("CreateInvoiceRequest", "notes", ""),
    ("CreateInvoiceRequest", "tax_amount", r#""5.80""#),
    ("CreateInvoiceRequest", "total_amount", r#""63.80""#),
    ("CreateOrderRequest", "notes", ""),
    ("CreatePaymentRequest", "order_id", r#""ORDER_ID""#),
    (
        "CreatePluginInterfaceRequest",
        "config_json",
        r#""{\"bank_name\": \"ICBC\", \"account_name\": \"Shop\", \"account_number\": \"1\"}""#,
    ),
    ("CreatePluginInterfaceRequest", "display_name", r#""Bank transfer""#),
    ("CreateProductCategoryRequest", "name", r#""Servers""#),
    ("CreateProductGroupRequest", "name", r#""Frankfurt""#),
    ("CreateTicketRequest", "description", r#""Port 22 does not answer""#),
    ("CreateTicketRequest", "priority", r#""high""#),
    ("CreateUserRequest", "customer_id", r#""CUSTOMER_ID""#),
    ("CreateUserRequest", "email", r#""ann.lee@example.com""#),
    ("CreateUserRequest", "username", r#""ann.lee""#),
    ("ExecuteInstanceActionRequest", "params_json", r#""{}""#),
    ("GenerateInvoicesRequest", "billing_period_end", r#""2026-11-30""#),
    ("InvoiceItemInput", "amount", r#""58.00""#),
    ("InvoiceItemInput", "description", r#""Cloud S""#),
    ("InvoiceItemInput", "quantity", "2"),
    ("ListCustomersRequest", "search", r#""ann""#),
    ("ListInvoicesRequest", "status", r#""issued""#),
    ("ListOrdersRequest", "status", r#""active""#),
    ("ListPaymentsRequest", "status", r#""pending""#),
    ("ListProductsRequest", "region", r#""eu""#),
    ("ListTicketsRequest", "status", r#""pending""#),
    ("ListUsersRequest", "user_type", r#""customer""#),
    ("RegisterRequest", "username", r#""ann""#),
    ("SendNotificationRequest", "title", r#""A test""#),
    ("UpdateCustomerRequest", "credit_limit", r#""50.00""#),
    ("UpdateInvoiceRequest", "status", r#""issued""#),
    ("UpdateOrderRequest", "status", r#""cancelled""#),
    ("UpdatePluginInterfaceRequest", "display_name", r#""Rack 2""#),
    ("UpdatePluginSourceRequest", "source", r#""pub fn version(config, _unused) { \"1.0.1\" }""#),
    ("UpdateProductCategoryRequest", "sort_order", "2"),
    ("UpdateProductGroupRequest", "name", r#""Frankfurt 2""#),
    ("UpdateProductRequest", "billing_cycles", ""),
    ("UpdateProductRequest", "specs", ""),
    ("UpdateProductRequest", "cost_price", r#""21.00""#),
    ("UpdateTicketRequest", "status", r#""processing""#),
    ("UpdateUserRequest", "display_name", r#""Ann Lee""#),
    ("UpstreamOrderRequest", "server_spec", r#"{"cpu_cores": 2, "memory_gb": 4, "disk_gb": 80, "region": "eu"}"#),
];

/// Fields of whatever message, as JSON.
const BY_NAME: &[(&str, &str)] = &[
    ("action", r#""reinstall""#),
    ("amount", r#""50.00""#),
    ("bandwidth_mbps", "100"),
    ("billing_cycle", r#""monthly""#),
    ("billing_period_end", r#""2026-11-30""#),
    ("billing_period_start", r#""2026-11-01""#),
    ("body", r#""Does this arrive?""#),
    ("company", r#""Lee Ltd""#),
    ("content", r#""We are looking into it""#),
    ("cost_price", r#""20.00""#),
    ("cpu_cores", "2"),
    ("credit_limit", r#""0.00""#),
    ("currency", r#""CNY""#),
    ("days", "30"),
    ("description", r#""2 cores, 4 GB""#),
    ("disk_gb", "80"),
    ("display_name", r#""Ann Lee""#),
    ("due_date", r#""2026-12-14""#),
    ("email", r#""ann@example.com""#),
    ("enable", "true"),
    ("event_type", r#""test""#),
    ("expected_hash", r#""HASH""#),
    ("extra_specs", ""),
    ("function", r#""admin_list_instances""#),
    ("gateway_tx_id", r#""TX-1""#),
    ("instance_id", r#""PROVIDER_INSTANCE_ID""#),
    ("is_active", "true"),
    ("is_internal", "false"),
    ("markup_ratio", r#""1.3""#),
    ("memory_gb", "4"),
    ("metadata", ""),
    ("name", r#""Cloud S""#),
    ("new_password", r#""NEW_PASSWORD""#),
    ("note", r#""Seen on the account""#),
    ("old_password", r#""PASSWORD""#),
    ("os", r#""debian-13""#),
    ("pagination", r#"{"page": 1, "page_size": 20}"#),
    ("password", r#""PASSWORD""#),
    ("payload", r#""{\"payment_id\": \"PAYMENT_ID\"}""#),
    ("phone", r#""+49 69 1234567""#),
    ("plugin_type", r#""gateway""#),
    ("price_per_month", r#""29.00""#),
    ("purpose", r#""password_reset""#),
    ("quantity", "1"),
    ("refresh_token", r#""REFRESH_TOKEN""#),
    ("region", r#""eu""#),
    ("return_url", r#""https://shop.example.com/thanks""#),
    ("sort_order", "1"),
    ("specs", r#"{"region": "eu"}"#),
    ("title", r#""No SSH""#),
    ("unit_price", r#""29.00""#),
    ("user_id", r#""USER_ID""#),
    ("user_type", r#""customer""#),
    ("username", r#""USERNAME""#),
    ("verification_code", r#""CODE""#),
];

/// A request as JSON.
pub(crate) fn request(api: &Api, name: &str) -> String {
    object(api, &api.messages[name])
}

fn object(api: &Api, message: &Message) -> String {
    let value = |field: &Field| Some(format!("\"{}\": {}", field.name, value(api, message, field)?));
    format!("{{{}}}", message.fields.iter().filter_map(value).collect::<Vec<_>>().join(", "))
}

fn value(api: &Api, message: &Message, field: &Field) -> Option<String> {
    let own = IN_MESSAGE.iter().find(|(of, name, _)| *of == message.name && *name == field.name);
    if let Some((.., json)) = own {
        return (!json.is_empty()).then(|| (*json).to_owned());
    }
    // What may be left out is left out: an example shows what a call needs.
    let may_be_left_out =
        ["mpty ", "if empty", "or empty", "absent or"].iter().any(|word| field.comment.contains(word));
    if field.shape == Shape::Optional || may_be_left_out {
        return None;
    }
    let one = match (&field.kind, placeholder(field)) {
        (Kind::Scalar(_), Some(placeholder)) => format!("\"{placeholder}\""),
        _ => match BY_NAME.iter().find(|(name, _)| *name == field.name) {
            Some((_, "")) => return None,
            Some((_, json)) => (*json).to_owned(),
            None => match &field.kind {
                Kind::Message(name) => object(api, &api.messages[name]),
                Kind::Scalar(_) => {
                    panic!("no value for the example of {}.{}; give one in sample.rs", message.name, field.name)
                }
            },
        },
    };
    Some(if field.shape == Shape::List { format!("[{one}]") } else { one })
}

/// `Order to pay, UUID v7.` is an `ORDER_ID`.
fn placeholder(field: &Field) -> Option<String> {
    let (noun, _) = field.comment.split_once(", UUID v7")?;
    let noun =
        [" that ", " to ", " for ", " who ", " the "].iter().fold(noun, |noun, word| match noun.split_once(word) {
            Some((noun, _)) => noun,
            None => noun,
        });
    let noun = noun.to_uppercase().replace(' ', "_");
    Some(format!("{}_ID", if field.shape == Shape::List { noun.trim_end_matches('S') } else { &noun }))
}
