//! `ProductCategoryService`.

use tonic::{Request, Response, Status};

use super::{
    Api,
    convert::{page, page_request},
    proto::product::{
        CreateProductCategoryRequest, CreateProductCategoryResponse, DeleteProductCategoryRequest,
        DeleteProductCategoryResponse, GetProductCategoryRequest, GetProductCategoryResponse,
        ListProductCategoriesRequest, ListProductCategoriesResponse, ProductCategoryInfo, UpdateProductCategoryRequest,
        UpdateProductCategoryResponse, product_category_service_server::ProductCategoryService,
    },
};
use crate::{
    core::{
        catalogue::{
            Category,
            categories::{self, CategoryUpdate, NewCategory},
        },
        id::Id,
    },
    server::auth::actor,
};

#[tonic::async_trait]
impl ProductCategoryService for Api {
    async fn list_product_categories(
        &self,
        request: Request<ListProductCategoriesRequest>,
    ) -> Result<Response<ListProductCategoriesResponse>, Status> {
        let found = categories::list(&self.app, page_request(request.into_inner().pagination)).await?;
        let (categories, meta) = page(found, category_info);
        Ok(Response::new(ListProductCategoriesResponse { categories, meta }))
    }

    async fn get_product_category(
        &self,
        request: Request<GetProductCategoryRequest>,
    ) -> Result<Response<GetProductCategoryResponse>, Status> {
        let id = Id::parse("id", &request.get_ref().id)?;
        let category = categories::get(&self.app, id).await?;
        Ok(Response::new(GetProductCategoryResponse { category: Some(category_info(category)) }))
    }

    async fn create_product_category(
        &self,
        request: Request<CreateProductCategoryRequest>,
    ) -> Result<Response<CreateProductCategoryResponse>, Status> {
        let actor = actor(&request);
        let request = request.into_inner();
        let new = NewCategory { name: request.name, description: request.description, sort_order: request.sort_order };
        let category = categories::create(&self.app, &actor, &new).await?;
        Ok(Response::new(CreateProductCategoryResponse { category: Some(category_info(category)) }))
    }

    async fn update_product_category(
        &self,
        request: Request<UpdateProductCategoryRequest>,
    ) -> Result<Response<UpdateProductCategoryResponse>, Status> {
        let actor = actor(&request);
        let request = request.into_inner();
        let id = Id::parse("id", &request.id)?;
        let change =
            CategoryUpdate { name: request.name, description: request.description, sort_order: request.sort_order };
        let category = categories::update(&self.app, &actor, id, &change).await?;
        Ok(Response::new(UpdateProductCategoryResponse { category: Some(category_info(category)) }))
    }

    async fn delete_product_category(
        &self,
        request: Request<DeleteProductCategoryRequest>,
    ) -> Result<Response<DeleteProductCategoryResponse>, Status> {
        let id = Id::parse("id", &request.get_ref().id)?;
        categories::delete(&self.app, &actor(&request), id).await?;
        Ok(Response::new(DeleteProductCategoryResponse {}))
    }
}

fn category_info(category: Category) -> ProductCategoryInfo {
    ProductCategoryInfo {
        id: category.id.to_string(),
        name: category.name,
        description: category.description,
        sort_order: category.sort_order,
        group_count: category.group_count,
        created_at: category.created_at.to_string(),
        updated_at: category.updated_at.to_string(),
    }
}
