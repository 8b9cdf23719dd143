//! `ProductService`.

use std::collections::{BTreeMap, HashMap};

use tonic::{Request, Response, Status};

use super::{
    Api,
    convert::{amount_or_zero, given, given_id, page, page_request, text},
    proto::product::{
        CreateProductRequest, CreateProductResponse, GetProductRequest, GetProductResponse, ListProductsRequest,
        ListProductsResponse, ProductInfo, product_service_server::ProductService,
    },
};
use crate::{
    core::{
        error::Result as CoreResult,
        id::Id,
        money::{Money, Sign},
        products::{self, BillingCycle, NewProduct, Product, ProductFilter},
        text::search_filter,
    },
    server::auth::actor,
};

#[tonic::async_trait]
impl ProductService for Api {
    async fn create_product(
        &self,
        request: Request<CreateProductRequest>,
    ) -> Result<Response<CreateProductResponse>, Status> {
        let actor = actor(&request);
        let request = request.into_inner();
        let new = NewProduct {
            price: Money::parse("price_per_month", &request.price_per_month, Sign::NotNegative)?,
            cost_price: amount_or_zero("cost_price", &request.cost_price)?,
            billing_cycles: cycle_prices(&request.billing_cycles)?,
            specs: request.specs.into_iter().collect(),
            interface_id: Id::parse("interface_id", &request.interface_id)?,
            group_id: given_id("group_id", request.group_id.as_ref())?,
            name: request.name,
            description: request.description,
        };
        let product = products::create(&self.app, &actor, &new).await?;
        Ok(Response::new(CreateProductResponse { product: Some(product_info(product)) }))
    }

    async fn list_products(
        &self,
        request: Request<ListProductsRequest>,
    ) -> Result<Response<ListProductsResponse>, Status> {
        let actor = actor(&request);
        let request = request.into_inner();
        let filter = ProductFilter {
            interface_id: given_id("interface_id", request.interface_id.as_ref())?,
            region: given(request.region.as_ref()).map(str::to_owned),
            is_active: request.is_active,
            search: search_filter(given(request.search.as_ref()))?,
            group_id: given_id("group_id", request.group_id.as_ref())?,
            category_id: given_id("category_id", request.category_id.as_ref())?,
        };
        let found = products::list(&self.app, &actor, &filter, page_request(request.pagination)).await?;
        let (products, meta) = page(found, product_info);
        Ok(Response::new(ListProductsResponse { products, meta }))
    }

    async fn get_product(&self, request: Request<GetProductRequest>) -> Result<Response<GetProductResponse>, Status> {
        let id = Id::parse("id", &request.get_ref().id)?;
        let product = products::get(&self.app, &actor(&request), id).await?;
        Ok(Response::new(GetProductResponse { product: Some(product_info(product)) }))
    }
}

fn cycle_prices(prices: &HashMap<String, String>) -> CoreResult<BTreeMap<BillingCycle, Money>> {
    let price = |(cycle, price): (&String, &String)| {
        let cycle = BillingCycle::parse(cycle)?;
        Ok((cycle, Money::parse(&format!("billing_cycles.{cycle}"), price, Sign::NotNegative)?))
    };
    prices.iter().map(price).collect()
}

fn product_info(product: Product) -> ProductInfo {
    ProductInfo {
        id: product.id.to_string(),
        name: product.name,
        description: product.description,
        price_per_month: product.price.to_string(),
        interface_id: product.interface_id.to_string(),
        is_active: product.is_active,
        created_at: product.created_at.to_string(),
        updated_at: product.updated_at.to_string(),
        specs: product.specs.0.into_iter().collect(),
        group_id: text(product.group_id),
        billing_cycles: product.billing_cycles.0.into_iter().map(|(cycle, price)| (cycle, price.to_string())).collect(),
        cost_price: product.cost_price.to_string(),
    }
}
