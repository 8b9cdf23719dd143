//! `CustomerService`.

use tonic::{Request, Response, Status};

use super::{
    Api,
    convert::{amount_or_zero, given, given_amount, page, page_request},
    proto::customer::{
        CreateCustomerRequest, CreateCustomerResponse, CustomerInfo, DeleteCustomerRequest, DeleteCustomerResponse,
        GetCustomerRequest, GetCustomerResponse, ListCustomersRequest, ListCustomersResponse, UpdateCustomerRequest,
        UpdateCustomerResponse, customer_service_server::CustomerService,
    },
};
use crate::{
    core::{
        customers::{self, Customer, CustomerFilter, CustomerUpdate, NewCustomer},
        id::Id,
        text::search_filter,
    },
    server::auth::actor,
};

#[tonic::async_trait]
impl CustomerService for Api {
    async fn create_customer(
        &self,
        request: Request<CreateCustomerRequest>,
    ) -> Result<Response<CreateCustomerResponse>, Status> {
        let actor = actor(&request);
        let request = request.into_inner();
        let new = NewCustomer {
            credit_limit: amount_or_zero("credit_limit", &request.credit_limit)?,
            name: request.name,
            contact_person: request.contact_person,
            email: request.email,
            phone: request.phone,
            company: request.company,
            notes: request.notes,
        };
        let customer = customers::create(&self.app, &actor, &new).await?;
        Ok(Response::new(CreateCustomerResponse { customer: Some(customer_info(customer)) }))
    }

    async fn list_customers(
        &self,
        request: Request<ListCustomersRequest>,
    ) -> Result<Response<ListCustomersResponse>, Status> {
        let actor = actor(&request);
        let request = request.into_inner();
        let filter =
            CustomerFilter { is_active: request.is_active, search: search_filter(given(request.search.as_ref()))? };
        let found = customers::list(&self.app, &actor, &filter, page_request(request.pagination)).await?;
        let (customers, meta) = page(found, customer_info);
        Ok(Response::new(ListCustomersResponse { customers, meta }))
    }

    async fn get_customer(
        &self,
        request: Request<GetCustomerRequest>,
    ) -> Result<Response<GetCustomerResponse>, Status> {
        let id = Id::parse("id", &request.get_ref().id)?;
        let customer = customers::get(&self.app, &actor(&request), id).await?;
        Ok(Response::new(GetCustomerResponse { customer: Some(customer_info(customer)) }))
    }

    async fn update_customer(
        &self,
        request: Request<UpdateCustomerRequest>,
    ) -> Result<Response<UpdateCustomerResponse>, Status> {
        let actor = actor(&request);
        let request = request.into_inner();
        let id = Id::parse("id", &request.id)?;
        let change = CustomerUpdate {
            credit_limit: given_amount("credit_limit", request.credit_limit.as_ref())?,
            name: request.name,
            contact_person: request.contact_person,
            email: request.email,
            phone: request.phone,
            company: request.company,
            notes: request.notes,
            is_active: request.is_active,
            can_create_api_keys: request.can_create_api_keys,
        };
        let customer = customers::update(&self.app, &actor, id, &change).await?;
        Ok(Response::new(UpdateCustomerResponse { customer: Some(customer_info(customer)) }))
    }

    async fn delete_customer(
        &self,
        request: Request<DeleteCustomerRequest>,
    ) -> Result<Response<DeleteCustomerResponse>, Status> {
        let id = Id::parse("id", &request.get_ref().id)?;
        customers::delete(&self.app, &actor(&request), id).await?;
        Ok(Response::new(DeleteCustomerResponse {}))
    }
}

fn customer_info(customer: Customer) -> CustomerInfo {
    CustomerInfo {
        id: customer.id.to_string(),
        name: customer.name,
        contact_person: customer.contact_person,
        email: customer.email,
        phone: customer.phone,
        company: customer.company,
        notes: customer.notes,
        balance: customer.balance.to_string(),
        credit_limit: customer.credit_limit.to_string(),
        is_active: customer.is_active,
        created_at: customer.created_at.to_string(),
        updated_at: customer.updated_at.to_string(),
        can_create_api_keys: customer.can_create_api_keys,
    }
}
