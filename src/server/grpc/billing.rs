//! `BillingService`.

use tonic::{Request, Response, Status};

use super::{
    Api,
    convert::{amount_or_zero, given, given_id, page, page_request, text},
    proto::billing::{
        CreateInvoiceRequest, CreateInvoiceResponse, DeleteInvoiceRequest, DeleteInvoiceResponse,
        GenerateInvoicesRequest, GenerateInvoicesResponse, GetInvoiceRequest, GetInvoiceResponse, InvoiceInfo,
        InvoiceItemInfo, InvoiceItemInput, ListInvoicesRequest, ListInvoicesResponse, UpdateInvoiceRequest,
        UpdateInvoiceResponse, billing_service_server::BillingService,
    },
};
use crate::{
    core::{
        error::Result as CoreResult,
        id::Id,
        invoices::{self, Invoice, InvoiceFilter, InvoiceItem, InvoiceStatus, NewInvoice, NewItem},
        money::{Money, Sign},
        settlement::{self, InvoiceUpdate},
        time::parse_date,
    },
    server::auth::actor,
};

#[tonic::async_trait]
impl BillingService for Api {
    async fn create_invoice(
        &self,
        request: Request<CreateInvoiceRequest>,
    ) -> Result<Response<CreateInvoiceResponse>, Status> {
        let actor = actor(&request);
        let request = request.into_inner();
        let new = NewInvoice {
            customer_id: Id::parse("customer_id", &request.customer_id)?,
            billing_period_start: parse_date("billing_period_start", &request.billing_period_start)?,
            billing_period_end: parse_date("billing_period_end", &request.billing_period_end)?,
            amount: Money::parse("amount", &request.amount, Sign::NotNegative)?,
            tax_amount: amount_or_zero("tax_amount", &request.tax_amount)?,
            total_amount: Money::parse("total_amount", &request.total_amount, Sign::NotNegative)?,
            due_date: parse_date("due_date", &request.due_date)?,
            notes: request.notes,
            items: request.items.into_iter().zip(0..).map(new_item).collect::<CoreResult<_>>()?,
        };
        let invoice = invoices::create(&self.app, &actor, &new).await?;
        Ok(Response::new(CreateInvoiceResponse { invoice: Some(invoice_info(invoice)) }))
    }

    async fn list_invoices(
        &self,
        request: Request<ListInvoicesRequest>,
    ) -> Result<Response<ListInvoicesResponse>, Status> {
        let actor = actor(&request);
        let request = request.into_inner();
        let filter = InvoiceFilter {
            customer_id: given_id("customer_id", request.customer_id.as_ref())?,
            status: given(request.status.as_ref()).map(InvoiceStatus::parse).transpose()?,
        };
        let found = invoices::list(&self.app, &actor, filter, page_request(request.pagination)).await?;
        let (invoices, meta) = page(found, invoice_info);
        Ok(Response::new(ListInvoicesResponse { invoices, meta }))
    }

    async fn get_invoice(&self, request: Request<GetInvoiceRequest>) -> Result<Response<GetInvoiceResponse>, Status> {
        let id = Id::parse("id", &request.get_ref().id)?;
        let invoice = invoices::get(&self.app, &actor(&request), id).await?;
        Ok(Response::new(GetInvoiceResponse { invoice: Some(invoice_info(invoice)) }))
    }

    async fn update_invoice(
        &self,
        request: Request<UpdateInvoiceRequest>,
    ) -> Result<Response<UpdateInvoiceResponse>, Status> {
        let actor = actor(&request);
        let request = request.into_inner();
        let id = Id::parse("id", &request.id)?;
        let change = InvoiceUpdate {
            status: given(request.status.as_ref()).map(InvoiceStatus::parse).transpose()?,
            // An empty text is a change too: it takes the notes away.
            notes: request.notes,
        };
        let invoice = settlement::update_invoice(&self.app, &actor, id, &change).await?;
        Ok(Response::new(UpdateInvoiceResponse { invoice: Some(invoice_info(invoice)) }))
    }

    async fn delete_invoice(
        &self,
        request: Request<DeleteInvoiceRequest>,
    ) -> Result<Response<DeleteInvoiceResponse>, Status> {
        let id = Id::parse("id", &request.get_ref().id)?;
        invoices::delete(&self.app, &actor(&request), id).await?;
        Ok(Response::new(DeleteInvoiceResponse {}))
    }

    async fn generate_invoices(
        &self,
        request: Request<GenerateInvoicesRequest>,
    ) -> Result<Response<GenerateInvoicesResponse>, Status> {
        let actor = actor(&request);
        let request = request.into_inner();
        let start = parse_date("billing_period_start", &request.billing_period_start)?;
        let end = parse_date("billing_period_end", &request.billing_period_end)?;
        let generated_count = invoices::generate(&self.app, &actor, start, end).await?;
        Ok(Response::new(GenerateInvoicesResponse { generated_count }))
    }
}

/// A line; its amounts may be negative, such as a discount, while the sum may not.
fn new_item((item, index): (InvoiceItemInput, u32)) -> CoreResult<NewItem> {
    let field = |name: &str| format!("items[{index}].{name}");
    Ok(NewItem {
        description: item.description,
        quantity: item.quantity,
        unit_price: Money::parse(&field("unit_price"), &item.unit_price, Sign::Any)?,
        amount: Money::parse(&field("amount"), &item.amount, Sign::Any)?,
    })
}

fn invoice_info(invoice: Invoice) -> InvoiceInfo {
    InvoiceInfo {
        id: invoice.id.to_string(),
        invoice_number: text(invoice.invoice_number),
        customer_id: invoice.customer_id.to_string(),
        billing_period_start: invoice.billing_period_start.to_string(),
        billing_period_end: invoice.billing_period_end.to_string(),
        amount: invoice.amount.to_string(),
        tax_amount: invoice.tax_amount.to_string(),
        total_amount: invoice.total_amount.to_string(),
        status: invoice.status.to_string(),
        issued_at: text(invoice.issued_at),
        paid_at: text(invoice.paid_at),
        due_date: invoice.due_date.to_string(),
        notes: invoice.notes,
        created_at: invoice.created_at.to_string(),
        updated_at: invoice.updated_at.to_string(),
        items: invoice.items.into_iter().map(item_info).collect(),
    }
}

fn item_info(item: InvoiceItem) -> InvoiceItemInfo {
    InvoiceItemInfo {
        id: item.id.to_string(),
        description: item.description,
        quantity: u32::try_from(item.quantity).unwrap_or_default(),
        unit_price: item.unit_price.to_string(),
        amount: item.amount.to_string(),
    }
}
