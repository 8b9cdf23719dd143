//! What an administrator may do over gRPC, somebody at the machine can do with a command.

use std::collections::BTreeSet;

use clap::CommandFactory as _;
use rustbill::cmd::Cli;

use crate::support::rows::ROWS;

/// The command for an RPC, with the option that matters where the words alone do not tell.
const COMMANDS: &[(&str, &str)] = &[
    ("IdentityService/ListUsers", "user list"),
    ("IdentityService/GetUser", "user show"),
    ("IdentityService/UpdateUser", "user update"),
    ("IdentityService/DeleteUser", "user delete"),
    ("IdentityService/CreateUser", "user create"),
    ("IdentityService/AdminResetPassword", "user passwd"),
    ("ProductService/CreateProduct", "product create"),
    ("ProductService/ListProducts", "product list"),
    ("ProductService/GetProduct", "product show"),
    ("ProductService/UpdateProduct", "product update"),
    ("ProductService/DeleteProduct", "product delete"),
    ("ProductService/SyncProducts", "product sync"),
    ("ProductService/BatchSetActive", "product activate"),
    ("ProductService/BatchSetActive", "product deactivate"),
    ("ProductService/BatchSetGroup", "product regroup"),
    ("ProductService/BatchDelete", "product delete-several"),
    ("ProductService/ImportUpstreamProducts", "product import"),
    ("ProductService/BatchUpdatePrice", "product reprice"),
    ("CustomerService/CreateCustomer", "customer create"),
    ("CustomerService/ListCustomers", "customer list"),
    ("CustomerService/GetCustomer", "customer show"),
    ("CustomerService/UpdateCustomer", "customer update"),
    ("CustomerService/DeleteCustomer", "customer delete"),
    ("OrderService/CreateOrder", "order create"),
    ("OrderService/ListOrders", "order list"),
    ("OrderService/GetOrder", "order show"),
    ("OrderService/UpdateOrder", "order update"),
    ("OrderService/UpdateOrder", "order cancel --yes"),
    ("OrderService/UpdateOrder", "order suspend"),
    ("OrderService/UpdateOrder", "order resume"),
    ("OrderService/UpdateOrder", "order complete --yes"),
    ("OrderService/UpdateOrder", "order terminate --yes"),
    ("OrderService/DeleteOrder", "order delete --yes"),
    ("OrderService/PayOrder", "order pay"),
    ("BillingService/CreateInvoice", "invoice create"),
    ("BillingService/ListInvoices", "invoice list"),
    ("BillingService/GetInvoice", "invoice show"),
    ("BillingService/UpdateInvoice", "invoice update"),
    ("BillingService/UpdateInvoice", "invoice issue"),
    ("BillingService/UpdateInvoice", "invoice overdue"),
    ("BillingService/UpdateInvoice", "invoice cancel --yes"),
    ("BillingService/UpdateInvoice", "invoice pay --received"),
    ("BillingService/DeleteInvoice", "invoice delete --yes"),
    ("BillingService/GenerateInvoices", "invoice generate"),
    ("PaymentService/CreatePayment", "order pay --gateway"),
    ("PaymentService/CreatePayment", "invoice pay --gateway"),
    ("PaymentService/ListPayments", "payment list"),
    ("PaymentService/GetPayment", "payment show"),
    ("PaymentService/QueryPaymentStatus", "payment query"),
    ("PaymentService/RefundPayment", "payment refund --yes"),
    ("PaymentService/ConfirmPayment", "payment confirm"),
    ("IntegrationService/ListProviders", "plugin interfaces --type"),
    ("IntegrationService/ListGateways", "plugin interfaces --type"),
    ("IntegrationService/ListNotifiers", "plugin interfaces --type"),
    ("IntegrationService/ListPlugins", "plugin list"),
    ("IntegrationService/GetPlugin", "plugin list"),
    ("IntegrationService/ListPluginInterfaces", "plugin interfaces"),
    ("IntegrationService/GetPluginInterface", "plugin show"),
    ("IntegrationService/CreatePluginInterface", "plugin create"),
    ("IntegrationService/UpdatePluginInterface", "plugin update"),
    ("IntegrationService/TogglePluginInterface", "plugin enable"),
    ("IntegrationService/TogglePluginInterface", "plugin disable"),
    ("IntegrationService/DeletePluginInterface", "plugin delete"),
    ("IntegrationService/CheckPluginHealth", "plugin health"),
    ("IntegrationService/GetPluginAdminPage", "plugin page"),
    ("IntegrationService/CallPluginAction", "plugin call --args"),
    ("IntegrationService/SyncProducts", "product sync"),
    ("IntegrationService/QueryPrice", "plugin price"),
    ("IntegrationService/CreateUpstreamInstance", "plugin buy-server"),
    ("IntegrationService/GetInstanceStatus", "plugin server-status"),
    ("IntegrationService/SyncUpstreamInstances", "plugin servers"),
    ("IntegrationService/ImportUpstreamInstance", "plugin import-server"),
    ("IntegrationService/GetUpstreamBalance", "plugin balance"),
    ("IntegrationService/GetPluginSource", "plugin source"),
    ("IntegrationService/UpdatePluginSource", "plugin edit-source"),
    ("IntegrationService/CheckPluginSource", "plugin check --type"),
    ("IntegrationService/ListPluginProblems", "plugin list"),
    ("NotificationService/ListNotifiers", "notify list"),
    ("NotificationService/SendNotification", "notify send"),
    ("TicketService/CreateTicket", "ticket create"),
    ("TicketService/ListTickets", "ticket list"),
    ("TicketService/GetTicket", "ticket show"),
    ("TicketService/UpdateTicket", "ticket update"),
    ("TicketService/CreateReply", "ticket reply"),
    ("TicketService/DeleteTicket", "ticket delete"),
    ("ApiKeyService/CreateApiKey", "apikey create"),
    ("ApiKeyService/ListApiKeys", "apikey list"),
    ("ApiKeyService/RevokeApiKey", "apikey revoke"),
    ("ProductGroupService/ListProductGroups", "group list"),
    ("ProductGroupService/GetProductGroup", "group show"),
    ("ProductGroupService/CreateProductGroup", "group create"),
    ("ProductGroupService/UpdateProductGroup", "group update"),
    ("ProductGroupService/DeleteProductGroup", "group delete"),
    ("ProductCategoryService/ListProductCategories", "category list"),
    ("ProductCategoryService/GetProductCategory", "category show"),
    ("ProductCategoryService/CreateProductCategory", "category create"),
    ("ProductCategoryService/UpdateProductCategory", "category update"),
    ("ProductCategoryService/DeleteProductCategory", "category delete"),
    ("InstanceService/ListInstances", "instance list"),
    ("InstanceService/GetInstance", "instance show"),
    ("InstanceService/StartInstance", "instance start"),
    ("InstanceService/StopInstance", "instance stop"),
    ("InstanceService/RestartInstance", "instance restart"),
    ("InstanceService/TerminateInstance", "instance terminate --yes"),
    ("InstanceService/ExecuteInstanceAction", "instance action"),
    ("BalanceService/GetBalance", "balance show"),
    ("BalanceService/ListBalanceTransactions", "balance list"),
    ("BalanceService/AdjustBalance", "balance adjust"),
    ("BalanceService/CreateRecharge", "balance recharge"),
    ("AuditService/ListOperationLogs", "audit list"),
    ("DashboardService/GetOverview", "dashboard --days"),
    ("SystemService/GetClusterStatus", "cluster status"),
    ("SystemService/ListEvents", "event list --status"),
    ("SystemService/ListEvents", "event list --type"),
    ("SystemService/ListEvents", "event list --subject"),
    ("SystemService/GetEvent", "event show"),
    ("SystemService/RetryEvent", "event retry"),
];

/// RPCs that no command stands for, and why.
const WITHOUT: &[(&str, &str)] = &[
    ("IdentityService/Register", "a stranger's own act; an administrator has `user create`"),
    ("IdentityService/SendVerificationCode", "a stranger's own act"),
    ("IdentityService/Login", "who can read the configuration is let in"),
    ("IdentityService/RefreshToken", "there is no login"),
    ("IdentityService/Logout", "there is no login"),
    ("IdentityService/GetMe", "somebody at the machine is no user"),
    ("IdentityService/ChangePassword", "needs the user's old password; an administrator has `user passwd`"),
    ("IdentityService/ResetPassword", "needs a code; an administrator has `user passwd`"),
    ("PaymentService/HandleCallback", "a gateway's own act; an administrator has `payment query`"),
    ("IntegrationService/RestartServer", "a command runs without the server; the process manager restarts it"),
];

/// What is wrong with a line of the table.
fn fault(line: &str) -> Option<String> {
    let mut command = Cli::command();
    command.build();
    for word in line.split(' ') {
        if let Some(option) = word.strip_prefix("--") {
            if !command.get_arguments().any(|argument| argument.get_long() == Some(option)) {
                return Some(format!("`{line}`: no option {word}"));
            }
        } else {
            let Some(found) = command.find_subcommand(word).cloned() else {
                return Some(format!("`{line}`: no command {word}"));
            };
            command = found;
        }
    }
    command.has_subcommands().then(|| format!("`{line}` is no whole command"))
}

#[test]
fn every_call_of_an_administrator_has_a_command() {
    let with: BTreeSet<&str> = COMMANDS.iter().map(|(rpc, _)| *rpc).collect();
    let without: BTreeSet<&str> = WITHOUT.iter().map(|(rpc, _)| *rpc).collect();
    assert_eq!(with.intersection(&without).collect::<Vec<_>>(), Vec::<&&str>::new(), "with and without a command");
    let named: BTreeSet<&str> = with.union(&without).copied().collect();
    let rpcs: BTreeSet<&str> = ROWS.iter().copied().collect();
    assert_eq!(rpcs.difference(&named).collect::<Vec<_>>(), Vec::<&&str>::new(), "RPCs that the table forgets");
    assert_eq!(named.difference(&rpcs).collect::<Vec<_>>(), Vec::<&&str>::new(), "no such RPCs");
    let faults: Vec<String> = COMMANDS.iter().filter_map(|(_, line)| fault(line)).collect();
    assert!(faults.is_empty(), "{faults:#?}");
}

#[test]
fn a_command_that_does_not_exist_is_noticed() {
    for line in ["order fly", "order", "order pay --wings", "fly"] {
        assert!(fault(line).is_some(), "{line}");
    }
}
