//! `ProductService`.

use std::collections::{BTreeMap, HashMap};

use tonic::{Request, Response, Status};

use super::{
    Api,
    convert::{amount_or_zero, given, given_amount, given_id, ids, page, page_request, text},
    proto::product::{
        BatchDeleteRequest, BatchDeleteResponse, BatchSetActiveRequest, BatchSetActiveResponse, BatchSetGroupRequest,
        BatchSetGroupResponse, BatchUpdatePriceRequest, BatchUpdatePriceResponse, CreateProductRequest,
        CreateProductResponse, DeleteProductRequest, DeleteProductResponse, GetProductRequest, GetProductResponse,
        ImportUpstreamProductsRequest, ImportUpstreamProductsResponse, ListProductsRequest, ListProductsResponse,
        ProductInfo, SyncProductsRequest, SyncProductsResponse, UpdateProductRequest, UpdateProductResponse,
        UpstreamProductItem, product_service_server::ProductService,
    },
};
use crate::{
    core::{
        catalogue::Placement,
        error::Result as CoreResult,
        id::Id,
        money::{Money, Sign},
        products::{self, BillingCycle, Markup, NewProduct, Product, ProductFilter, ProductUpdate, UpstreamItem},
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

    async fn update_product(
        &self,
        request: Request<UpdateProductRequest>,
    ) -> Result<Response<UpdateProductResponse>, Status> {
        let actor = actor(&request);
        let request = request.into_inner();
        let id = Id::parse("id", &request.id)?;
        let change = ProductUpdate {
            price: given_amount("price_per_month", request.price_per_month.as_ref())?,
            cost_price: given_amount("cost_price", request.cost_price.as_ref())?,
            billing_cycles: cycle_prices(&request.billing_cycles)?,
            specs: request.specs.into_iter().collect(),
            group: Placement::parse("group_id", request.group_id.as_deref())?,
            is_active: request.is_active,
            name: request.name,
            description: request.description,
        };
        let product = products::update(&self.app, &actor, id, &change).await?;
        Ok(Response::new(UpdateProductResponse { product: Some(product_info(product)) }))
    }

    async fn delete_product(
        &self,
        request: Request<DeleteProductRequest>,
    ) -> Result<Response<DeleteProductResponse>, Status> {
        let id = Id::parse("id", &request.get_ref().id)?;
        products::delete(&self.app, &actor(&request), id).await?;
        Ok(Response::new(DeleteProductResponse {}))
    }

    async fn sync_products(
        &self,
        request: Request<SyncProductsRequest>,
    ) -> Result<Response<SyncProductsResponse>, Status> {
        let interface = Id::parse("interface_id", &request.get_ref().interface_id)?;
        let group = Id::parse_optional("group_id", &request.get_ref().group_id)?;
        let synced = products::sync(&self.app, &actor(&request), interface, group).await?;
        let synced: Vec<ProductInfo> = synced.into_iter().map(product_info).collect();
        let count = u32::try_from(synced.len()).unwrap_or(u32::MAX);
        Ok(Response::new(SyncProductsResponse { synced, count }))
    }

    async fn batch_set_active(
        &self,
        request: Request<BatchSetActiveRequest>,
    ) -> Result<Response<BatchSetActiveResponse>, Status> {
        let actor = actor(&request);
        let request = request.into_inner();
        let ids = ids("product_ids", &request.product_ids)?;
        let updated_count = products::set_active(&self.app, &actor, &ids, request.is_active).await?;
        Ok(Response::new(BatchSetActiveResponse { updated_count }))
    }

    async fn batch_set_group(
        &self,
        request: Request<BatchSetGroupRequest>,
    ) -> Result<Response<BatchSetGroupResponse>, Status> {
        let actor = actor(&request);
        let request = request.into_inner();
        let ids = ids("product_ids", &request.product_ids)?;
        let group = Id::parse_optional("group_id", &request.group_id)?;
        let updated_count = products::set_group(&self.app, &actor, &ids, group).await?;
        Ok(Response::new(BatchSetGroupResponse { updated_count }))
    }

    async fn batch_delete(
        &self,
        request: Request<BatchDeleteRequest>,
    ) -> Result<Response<BatchDeleteResponse>, Status> {
        let ids = ids("product_ids", &request.get_ref().product_ids)?;
        let deleted_count = products::delete_all(&self.app, &actor(&request), &ids).await?;
        Ok(Response::new(BatchDeleteResponse { deleted_count }))
    }

    async fn import_upstream_products(
        &self,
        request: Request<ImportUpstreamProductsRequest>,
    ) -> Result<Response<ImportUpstreamProductsResponse>, Status> {
        let actor = actor(&request);
        let request = request.into_inner();
        let interface = Id::parse("interface_id", &request.interface_id)?;
        let group = Id::parse_optional("group_id", &request.group_id)?;
        let item = |(item, number): (UpstreamProductItem, u32)| {
            Ok(UpstreamItem {
                cost_price: amount_or_zero(&format!("items[{number}].cost_price"), &item.cost_price)?,
                name: item.name,
                description: item.description,
                specs: item.specs.into_iter().collect(),
            })
        };
        let items = request.items.into_iter().zip(0..).map(item).collect::<CoreResult<Vec<_>>>()?;
        let imported_count = products::import(&self.app, &actor, interface, group, &items).await?;
        Ok(Response::new(ImportUpstreamProductsResponse { imported_count }))
    }

    async fn batch_update_price(
        &self,
        request: Request<BatchUpdatePriceRequest>,
    ) -> Result<Response<BatchUpdatePriceResponse>, Status> {
        let actor = actor(&request);
        let request = request.into_inner();
        let ids = ids("product_ids", &request.product_ids)?;
        let ratio = Markup::parse("markup_ratio", &request.markup_ratio)?;
        let updated_count = products::reprice(&self.app, &actor, &ids, ratio).await?;
        Ok(Response::new(BatchUpdatePriceResponse { updated_count }))
    }
}

fn cycle_prices(prices: &HashMap<String, String>) -> CoreResult<BTreeMap<BillingCycle, Money>> {
    let price = |(cycle, price): (&String, &String)| {
        let cycle = BillingCycle::parse(cycle)?;
        Ok((cycle, Money::parse(&format!("billing_cycles.{cycle}"), price, Sign::NotNegative)?))
    };
    prices.iter().map(price).collect()
}

pub(super) fn product_info(product: Product) -> ProductInfo {
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
