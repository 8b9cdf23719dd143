//! `OrderService`.

use tonic::{Request, Response, Status};

use super::{
    Api,
    convert::{given, given_id, page, page_request, present, text},
    proto::order::{
        CreateOrderRequest, CreateOrderResponse, DeleteOrderRequest, DeleteOrderResponse, GetOrderRequest,
        GetOrderResponse, ListOrdersRequest, ListOrdersResponse, OrderInfo, PayOrderRequest, PayOrderResponse,
        PaymentInfo, ServerSpec, UpdateOrderRequest, UpdateOrderResponse, order_service_server::OrderService,
    },
};
use crate::{
    core::{
        error::{Error, Result as CoreResult},
        id::Id,
        orders::{self, NewOrder, Order, OrderFilter, OrderStatus},
        payments::Payment,
        products::{BillingCycle, Specs},
        settlement::{self, OrderUpdate},
        text::{SHOWN_MAX, search_filter, shown},
    },
    server::auth::actor,
};

#[tonic::async_trait]
impl OrderService for Api {
    async fn create_order(
        &self,
        request: Request<CreateOrderRequest>,
    ) -> Result<Response<CreateOrderResponse>, Status> {
        let actor = actor(&request);
        let request = request.into_inner();
        let gateway = Id::parse_optional("gateway_interface_id", &request.gateway_interface_id)?;
        let new = NewOrder {
            customer_id: Id::parse_optional("customer_id", &request.customer_id)?,
            product_id: Id::parse("product_id", &request.product_id)?,
            provider_interface_id: Id::parse_optional("provider_interface_id", &request.provider_interface_id)?,
            wish: request.server_spec.map_or_else(|| Ok(Specs::new()), specs)?,
            billing_cycle: present(&request.billing_cycle).map_or(Ok(BillingCycle::Monthly), BillingCycle::parse)?,
            currency: request.currency,
            notes: request.notes,
        };
        let (order, payment) = settlement::order_and_pay(&self.app, &actor, &new, gateway).await?;
        Ok(Response::new(CreateOrderResponse { order: Some(order_info(order)), payment: payment.map(payment_info) }))
    }

    async fn list_orders(&self, request: Request<ListOrdersRequest>) -> Result<Response<ListOrdersResponse>, Status> {
        let actor = actor(&request);
        let request = request.into_inner();
        let filter = OrderFilter {
            customer_id: given_id("customer_id", request.customer_id.as_ref())?,
            status: given(request.status.as_ref()).map(OrderStatus::parse).transpose()?,
            provider_interface_id: given_id("provider_interface_id", request.provider_interface_id.as_ref())?,
            search: search_filter(given(request.search.as_ref()))?,
        };
        let found = orders::list(&self.app, &actor, &filter, page_request(request.pagination)).await?;
        let (orders, meta) = page(found, order_info);
        Ok(Response::new(ListOrdersResponse { orders, meta }))
    }

    async fn get_order(&self, request: Request<GetOrderRequest>) -> Result<Response<GetOrderResponse>, Status> {
        let id = Id::parse("id", &request.get_ref().id)?;
        let order = orders::get(&self.app, &actor(&request), id).await?;
        Ok(Response::new(GetOrderResponse { order: Some(order_info(order)) }))
    }

    async fn update_order(
        &self,
        request: Request<UpdateOrderRequest>,
    ) -> Result<Response<UpdateOrderResponse>, Status> {
        let actor = actor(&request);
        let request = request.into_inner();
        let id = Id::parse("id", &request.id)?;
        let change = OrderUpdate {
            status: given(request.status.as_ref()).map(OrderStatus::parse).transpose()?,
            provider_instance_id: given(request.provider_instance_id.as_ref()).map(str::to_owned),
            // An empty text is a change too: it takes the notes away.
            notes: request.notes,
        };
        let order = settlement::update_order(&self.app, &actor, id, &change).await?;
        Ok(Response::new(UpdateOrderResponse { order: Some(order_info(order)) }))
    }

    async fn delete_order(
        &self,
        request: Request<DeleteOrderRequest>,
    ) -> Result<Response<DeleteOrderResponse>, Status> {
        let id = Id::parse("id", &request.get_ref().id)?;
        settlement::delete_order(&self.app, &actor(&request), id).await?;
        Ok(Response::new(DeleteOrderResponse {}))
    }

    async fn pay_order(&self, request: Request<PayOrderRequest>) -> Result<Response<PayOrderResponse>, Status> {
        let order = Id::parse("order_id", &request.get_ref().order_id)?;
        let gateway = Id::parse_optional("gateway_interface_id", &request.get_ref().gateway_interface_id)?;
        let payment = settlement::pay_order(&self.app, &actor(&request), order, gateway).await?;
        Ok(Response::new(PayOrderResponse { payment: Some(payment_info(payment)) }))
    }
}

fn order_info(order: Order) -> OrderInfo {
    OrderInfo {
        id: order.id.to_string(),
        customer_id: order.customer_id.to_string(),
        product_id: order.product_id.to_string(),
        provider_interface_id: order.provider_interface_id.to_string(),
        provider_instance_id: order.provider_instance_id,
        server_spec: Some(server_spec(order.server_spec.0)),
        status: order.status.to_string(),
        amount: order.total_amount.to_string(),
        currency: order.currency,
        gateway_interface_id: text(order.gateway_interface_id),
        gateway_payment_id: order.gateway_payment_id,
        notes: order.notes,
        created_at: order.created_at.to_string(),
        updated_at: order.updated_at.to_string(),
        product_name: order.product_name,
        billing_cycle: order.billing_cycle.to_string(),
    }
}

fn payment_info(payment: Payment) -> PaymentInfo {
    PaymentInfo {
        payment_id: payment.id.to_string(),
        gateway_interface_id: text(payment.gateway_interface_id),
        payment_url: payment.payment_url,
        qr_code: payment.qr_code,
        instructions: payment.instructions,
    }
}

/// The values of a specification by key. What is zero or empty in a field of its own was not given.
///
/// # Errors
/// `spec.twice`, naming the key, for a value that is in a field of its own and, differently, in `extra_specs`.
pub(super) fn specs(spec: ServerSpec) -> CoreResult<Specs> {
    let number = |value: u32| if value == 0 { String::new() } else { value.to_string() };
    let mut specs: Specs = spec.extra_specs.into_iter().collect();
    for (key, value) in [
        ("cpu_cores", number(spec.cpu_cores)),
        ("memory_gb", number(spec.memory_gb)),
        ("disk_gb", number(spec.disk_gb)),
        ("bandwidth_mbps", number(spec.bandwidth_mbps)),
        ("region", spec.region),
        ("os", spec.os),
    ] {
        if value.is_empty() {
            continue;
        }
        if let Some(extra) = specs.get(key)
            && *extra != value
        {
            return Err(Error::invalid(
                "spec.twice",
                format!(
                    "`server_spec.{key}` is `{}`, but `{}` in `extra_specs`; give it once",
                    shown(&value, SHOWN_MAX),
                    shown(extra, SHOWN_MAX)
                ),
            ));
        }
        specs.insert(key.to_owned(), value);
    }
    Ok(specs)
}

/// The message for a specification. What does not fit a field of its own as it is, such as a number with decimals,
/// stays among `extra_specs`, so that nothing is lost.
fn server_spec(mut specs: Specs) -> ServerSpec {
    let mut number = |key: &str| {
        let value = specs.get(key).and_then(|text| Some((text, text.parse::<u32>().ok()?)));
        match value {
            Some((text, value)) if value > 0 && *text == value.to_string() => {
                specs.remove(key);
                value
            }
            _ => 0,
        }
    };
    let (cpu_cores, memory_gb) = (number("cpu_cores"), number("memory_gb"));
    let (disk_gb, bandwidth_mbps) = (number("disk_gb"), number("bandwidth_mbps"));
    let (region, os) = (specs.remove("region").unwrap_or_default(), specs.remove("os").unwrap_or_default());
    ServerSpec { cpu_cores, memory_gb, disk_gb, bandwidth_mbps, region, os, extra_specs: specs.into_iter().collect() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn by_key(pairs: &[(&str, &str)]) -> Specs {
        pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn a_message_gives_what_is_filled() {
        assert_eq!(specs(ServerSpec::default()).unwrap(), Specs::new());
        let message = ServerSpec {
            cpu_cores: 2,
            os: "debian-12".to_owned(),
            extra_specs: by_key(&[("cpu_cores", "2"), ("gpu", "none")]).into_iter().collect(),
            ..ServerSpec::default()
        };
        assert_eq!(specs(message).unwrap(), by_key(&[("cpu_cores", "2"), ("gpu", "none"), ("os", "debian-12")]));
    }

    #[test]
    fn a_value_that_is_given_twice_must_be_the_same() {
        let message = ServerSpec {
            memory_gb: 4,
            extra_specs: by_key(&[("memory_gb", "8")]).into_iter().collect(),
            ..ServerSpec::default()
        };
        let error = specs(message).unwrap_err();
        assert_eq!(error.code(), "spec.twice");
        assert!(error.to_string().contains("`server_spec.memory_gb` is `4`, but `8`"), "{error}");
    }

    #[test]
    fn what_was_ordered_comes_back_whole() {
        let stored = by_key(&[
            ("bandwidth_mbps", "0"),
            ("cpu_cores", "2"),
            ("disk_gb", "050"),
            ("gpu", ""),
            ("memory_gb", "0.5"),
            ("os", "debian-12"),
            ("region", "eu"),
        ]);
        let message = server_spec(stored.clone());
        assert_eq!((message.cpu_cores, message.memory_gb, message.region.as_str()), (2, 0, "eu"));
        assert_eq!(message.extra_specs["memory_gb"], "0.5");
        assert_eq!(specs(message).unwrap(), stored);
    }
}
