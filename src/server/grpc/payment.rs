//! `PaymentService`.

use tonic::{Request, Response, Status};

use super::{
    Api,
    convert::{given, given_id, page, page_request, text},
    proto::payment::{
        ConfirmPaymentRequest, ConfirmPaymentResponse, CreatePaymentRequest, CreatePaymentResponse, GetPaymentRequest,
        GetPaymentResponse, ListPaymentsRequest, ListPaymentsResponse, PaymentRecord,
        payment_service_server::PaymentService,
    },
};
use crate::{
    core::{
        error::{Error, Kind, Result as CoreResult},
        id::Id,
        payments::{self, Payment, PaymentFilter, PaymentStatus},
        settlement::{self, Target},
    },
    server::auth::actor,
};

#[tonic::async_trait]
impl PaymentService for Api {
    async fn create_payment(
        &self,
        request: Request<CreatePaymentRequest>,
    ) -> Result<Response<CreatePaymentResponse>, Status> {
        let actor = actor(&request);
        let request = request.into_inner();
        let target = target(&request)?;
        let gateway = Id::parse("gateway_interface_id", &request.gateway_interface_id)?;
        let started = settlement::start(&self.app, &actor, target, gateway, &request.return_url).await;
        let payment = started.map_err(unknown_target)?;
        Ok(Response::new(CreatePaymentResponse {
            payment_url: payment.payment_url.clone(),
            qr_code: payment.qr_code.clone(),
            instructions: payment.instructions.clone(),
            payment: Some(payment_record(payment)),
        }))
    }

    async fn list_payments(
        &self,
        request: Request<ListPaymentsRequest>,
    ) -> Result<Response<ListPaymentsResponse>, Status> {
        let actor = actor(&request);
        let request = request.into_inner();
        let filter = PaymentFilter {
            customer_id: None,
            order_id: given_id("order_id", request.order_id.as_ref())?,
            invoice_id: given_id("invoice_id", request.invoice_id.as_ref())?,
            gateway_interface_id: given_id("gateway_interface_id", request.gateway_interface_id.as_ref())?,
            status: given(request.status.as_ref()).map(PaymentStatus::parse).transpose()?,
        };
        let found = payments::list(&self.app, &actor, filter, page_request(request.pagination)).await?;
        let (payments, meta) = page(found, payment_record);
        Ok(Response::new(ListPaymentsResponse { payments, meta }))
    }

    async fn get_payment(&self, request: Request<GetPaymentRequest>) -> Result<Response<GetPaymentResponse>, Status> {
        let id = Id::parse("id", &request.get_ref().id)?;
        let payment = payments::get(&self.app, &actor(&request), id).await?;
        Ok(Response::new(GetPaymentResponse { payment: Some(payment_record(payment)) }))
    }

    async fn confirm_payment(
        &self,
        request: Request<ConfirmPaymentRequest>,
    ) -> Result<Response<ConfirmPaymentResponse>, Status> {
        let actor = actor(&request);
        let request = request.into_inner();
        let id = Id::parse("payment_id", &request.payment_id)?;
        let payment = settlement::confirm(&self.app, &actor, id, &request.gateway_tx_id, &request.note).await?;
        Ok(Response::new(ConfirmPaymentResponse { payment: Some(payment_record(payment)) }))
    }
}

/// What is paid for: the one of two fields that is filled.
fn target(request: &CreatePaymentRequest) -> CoreResult<Target> {
    let order = Id::parse_optional("order_id", &request.order_id)?;
    let invoice = Id::parse_optional("invoice_id", &request.invoice_id)?;
    match (order, invoice) {
        (Some(id), None) => Ok(Target::Order(id)),
        (None, Some(id)) => Ok(Target::Invoice(id)),
        (Some(_), Some(_)) | (None, None) => {
            Err(Error::invalid("payment.target", "expected exactly one of `order_id` and `invoice_id`"))
        }
    }
}

/// What is to be paid is a value of this request like any other, and documented so: an unknown one is not NotFound.
fn unknown_target(error: Error) -> Error {
    match error.kind() {
        Kind::NotFound => Error::invalid("payment.target", error.public_message()),
        _ => error,
    }
}

fn payment_record(payment: Payment) -> PaymentRecord {
    PaymentRecord {
        id: payment.id.to_string(),
        order_id: text(payment.order_id),
        invoice_id: text(payment.invoice_id),
        amount: payment.amount.to_string(),
        currency: payment.currency,
        gateway_interface_id: text(payment.gateway_interface_id),
        gateway_payment_id: payment.gateway_payment_id,
        gateway_tx_id: payment.gateway_tx_id,
        status: payment.status.to_string(),
        paid_at: text(payment.paid_at),
        created_at: payment.created_at.to_string(),
        updated_at: payment.updated_at.to_string(),
    }
}
