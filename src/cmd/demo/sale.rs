//! The customer buys: once from the balance, once by bank transfer; and the books are closed.

use std::time::Duration;

use super::{
    callers::{Caller, call, held, unexpected},
    receiver::Receiver,
    shop::{Place, Shop},
    stage::{Stage, until},
};
use crate::{
    core::{
        error::{Error, Result},
        money::{Money, Sign},
        time::{Clock, add_months, parse_date},
    },
    server::grpc::protocol::rustbill::{
        balance::{BalanceTransactionInfo, GetBalanceRequest, ListBalanceTransactionsRequest},
        billing::{GenerateInvoicesRequest, InvoiceInfo, ListInvoicesRequest},
        customer::GetCustomerRequest,
        instance::{InstanceInfo, ListInstancesRequest},
        order::{CreateOrderRequest, GetOrderRequest, ListOrdersRequest, OrderInfo, PayOrderRequest},
        payment::ConfirmPaymentRequest,
    },
};

/// How long the worker may take to deliver a server that was paid.
const DELIVERY_MAX: Duration = Duration::from_secs(20);
/// The event that says so.
const DELIVERED: &str = "order_provisioned";
/// Characters of `YYYY-MM-DD`.
const DATE_LENGTH: usize = 10;

/// What is in the books in the end, oldest first.
pub(super) struct Books {
    pub(super) orders: Vec<OrderInfo>,
    pub(super) ledger: Vec<BalanceTransactionInfo>,
    pub(super) instances: Vec<InstanceInfo>,
    pub(super) invoices: Vec<InvoiceInfo>,
    pub(super) balance: String,
}

/// A customer who logged in, and where to buy.
struct Buyer<'a> {
    shop: &'a Shop,
    caller: Caller,
}

pub(super) async fn run(
    stage: &mut Stage<'_>,
    place: &Place,
    shop: &Shop,
    receiver: &mut Receiver,
    clock: &Clock,
) -> Result<Books> {
    stage.act("The customer pays from the balance")?;
    let buyer = stage
        .step("customer logs in", async {
            let stranger = Caller::connect(place.address).await?;
            let caller = stranger.log_in_customer(shop.username, shop.password.reveal()).await?;
            Ok((Buyer { shop, caller }, format!("customer logs in as {} and gets a token", shop.username)))
        })
        .await?;
    let first = stage.step("customer orders a server by the month", buyer.order_monthly()).await?;
    stage.step("customer pays from the balance", buyer.pay_from_balance(&first)).await?;
    stage.step("server delivers the first order", buyer.delivery(&first)).await?;
    stage
        .step("webhook tells of the delivery", async {
            let event = receiver.wait_for(DELIVERED, &first.id).await?;
            Ok(((), format!("webhook {} arrives, and its signature is right", event.name)))
        })
        .await?;

    stage.act("The customer pays by bank transfer")?;
    let (second, payment_id, instructions) =
        stage.step("customer orders a server by the year", buyer.order_yearly()).await?;
    stage.quote(&instructions)?;
    stage.step("operator confirms the transfer", confirm(shop, payment_id)).await?;
    stage.step("server delivers the second order", buyer.delivery(&second)).await?;

    stage.act("The books")?;
    stage.step("operator writes the invoices of the month", write_invoices(shop, &first, clock)).await?;
    let invoices = stage.step("customer looks at the invoices", buyer.invoices()).await?;
    let (ledger, balance) = stage.step("the ledger adds up to the balance", buyer.ledger()).await?;
    Ok(Books { orders: buyer.orders().await?, ledger, instances: buyer.instances().await?, invoices, balance })
}

impl Buyer<'_> {
    async fn place(&self, billing_cycle: &str, gateway_id: &str) -> Result<(OrderInfo, Option<(String, String)>)> {
        let request = CreateOrderRequest {
            customer_id: self.shop.customer_id.clone(),
            product_id: self.shop.product_id.clone(),
            currency: self.shop.currency.clone(),
            gateway_interface_id: gateway_id.to_owned(),
            billing_cycle: billing_cycle.to_owned(),
            ..CreateOrderRequest::default()
        };
        let answer = call(self.caller.orders().create_order(request)).await?;
        let payment = answer.payment.map(|payment| (payment.payment_id, payment.instructions));
        Ok((held(answer.order, "order")?, payment))
    }

    async fn order_monthly(&self) -> Result<(OrderInfo, String)> {
        let (order, _) = self.place("monthly", "").await?;
        let sentence =
            format!("customer orders {}, {} {} by the month", self.shop.product, order.amount, order.currency);
        Ok((order, sentence))
    }

    /// The order, and its payment with what the gateway asks the customer to do.
    async fn order_yearly(&self) -> Result<((OrderInfo, String, String), String)> {
        let (order, payment) = self.place("yearly", &self.shop.gateway_id).await?;
        let (payment_id, instructions) = held(payment, "payment")?;
        if !instructions.contains(&payment_id) {
            return Err(unexpected("the instructions for the transfer name no payment"));
        }
        let sentence =
            format!("customer orders {}, {} {} by the year", self.shop.product, order.amount, order.currency);
        Ok(((order, payment_id, instructions), sentence))
    }

    async fn pay_from_balance(&self, order: &OrderInfo) -> Result<((), String)> {
        let request = PayOrderRequest { order_id: order.id.clone(), gateway_interface_id: String::new() };
        held(call(self.caller.orders().pay_order(request)).await?.payment, "payment")?;
        Ok(((), format!("customer pays {} {} from the balance", order.amount, order.currency)))
    }

    /// Waits until an order is active, and finds its server.
    async fn delivery(&self, order: &OrderInfo) -> Result<((), String)> {
        until("the delivery", DELIVERY_MAX, async || {
            let request = GetOrderRequest { id: order.id.clone() };
            let now = held(call(self.caller.orders().get_order(request)).await?.order, "order")?;
            match now.status.as_str() {
                "active" => Ok(Some(())),
                "pending" | "paid" | "provisioning" => Ok(None),
                other => Err(unexpected(&format!("the order is {other} instead of active"))),
            }
        })
        .await?;
        let instances = self.instances().await?;
        let server = held(instances.iter().find(|instance| instance.order_id == order.id), "instance of the order")?;
        let sentence =
            format!("server {} is delivered: {} at {}", server.provider_instance_id, server.status, server.ip_address);
        Ok(((), sentence))
    }

    async fn invoices(&self) -> Result<(Vec<InvoiceInfo>, String)> {
        let invoices = call(self.caller.billing().list_invoices(ListInvoicesRequest::default())).await?.invoices;
        let [invoice] = invoices.as_slice() else {
            return Err(unexpected(&format!("there are {} invoices instead of one", invoices.len())));
        };
        let (total, currency) = (&invoice.total_amount, &self.shop.currency);
        let sentence = format!("customer sees {} over {total} {currency}: {}", invoice.invoice_number, invoice.status);
        Ok((invoices, sentence))
    }

    /// The ledger, oldest row first, and the balance that it adds up to.
    async fn ledger(&self) -> Result<((Vec<BalanceTransactionInfo>, String), String)> {
        let customer_id = self.shop.customer_id.clone();
        let request = ListBalanceTransactionsRequest {
            customer_id: customer_id.clone(),
            ..ListBalanceTransactionsRequest::default()
        };
        let mut rows = call(self.caller.balance().list_balance_transactions(request)).await?.transactions;
        rows.reverse();
        let request = GetBalanceRequest { customer_id: customer_id.clone() };
        let balance = call(self.caller.balance().get_balance(request)).await?.balance;
        let request = GetCustomerRequest { id: customer_id };
        let customer = held(call(self.shop.operator.customers().get_customer(request)).await?.customer, "customer")?;
        let amounts = rows.iter().map(|row| Money::parse("amount", &row.amount, Sign::Any));
        let sum = Money::sum(amounts.collect::<Result<Vec<_>>>()?)?.to_string();
        if sum != balance || balance != customer.balance {
            let problem =
                format!("the ledger gives {sum}, the balance is {balance}, the customer has {}", customer.balance);
            return Err(Error::internal("demo.ledger", problem));
        }
        let sentence = format!("ledger and balance agree: {} rows, {balance} {}", rows.len(), self.shop.currency);
        Ok(((rows, balance), sentence))
    }

    async fn orders(&self) -> Result<Vec<OrderInfo>> {
        let mut orders = call(self.caller.orders().list_orders(ListOrdersRequest::default())).await?.orders;
        orders.reverse();
        Ok(orders)
    }

    async fn instances(&self) -> Result<Vec<InstanceInfo>> {
        let mut instances =
            call(self.caller.instances().list_instances(ListInstancesRequest::default())).await?.instances;
        instances.reverse();
        Ok(instances)
    }
}

async fn confirm(shop: &Shop, payment_id: String) -> Result<((), String)> {
    let request = ConfirmPaymentRequest {
        payment_id,
        gateway_tx_id: "STATEMENT-42".to_owned(),
        note: "Seen on the bank statement".to_owned(),
    };
    let payment = held(call(shop.operator.payments().confirm_payment(request)).await?.payment, "payment")?;
    Ok(((), format!("operator confirms the transfer of {} {}", payment.amount, payment.currency)))
}

/// For the month in which the orders were placed; two of them, if the month ends just now.
async fn write_invoices(shop: &Shop, first: &OrderInfo, clock: &Clock) -> Result<((), String)> {
    let month = |date: chrono::NaiveDate| held(chrono::Datelike::with_day(&date, 1), "month");
    let day = first.created_at.get(..DATE_LENGTH).unwrap_or_default();
    let start = month(parse_date("created_at", day)?)?;
    let next = add_months(month(clock.now().date())?, 1)?;
    let end = held(next.pred_opt(), "last day")?;
    let request =
        GenerateInvoicesRequest { billing_period_start: start.to_string(), billing_period_end: end.to_string() };
    let count = call(shop.operator.billing().generate_invoices(request)).await?.generated_count;
    let plural = if count == 1 { "" } else { "s" };
    Ok(((), format!("operator invoices {start} to {end}: {count} invoice{plural} written")))
}
