//! `ProductGroupService`.

use tonic::{Request, Response, Status};

use super::{
    Api,
    convert::{given_id, page, page_request, text},
    proto::product::{
        CreateProductGroupRequest, CreateProductGroupResponse, DeleteProductGroupRequest, DeleteProductGroupResponse,
        GetProductGroupRequest, GetProductGroupResponse, ListProductGroupsRequest, ListProductGroupsResponse,
        ProductGroupInfo, UpdateProductGroupRequest, UpdateProductGroupResponse,
        product_group_service_server::ProductGroupService,
    },
};
use crate::{
    core::{
        catalogue::{
            Group, Placement,
            groups::{self, GroupUpdate, NewGroup},
        },
        id::Id,
    },
    server::auth::actor,
};

#[tonic::async_trait]
impl ProductGroupService for Api {
    async fn list_product_groups(
        &self,
        request: Request<ListProductGroupsRequest>,
    ) -> Result<Response<ListProductGroupsResponse>, Status> {
        let actor = actor(&request);
        let request = request.into_inner();
        let category = given_id("category_id", request.category_id.as_ref())?;
        let found = groups::list(&self.app, &actor, category, page_request(request.pagination)).await?;
        let (groups, meta) = page(found, group_info);
        Ok(Response::new(ListProductGroupsResponse { groups, meta }))
    }

    async fn get_product_group(
        &self,
        request: Request<GetProductGroupRequest>,
    ) -> Result<Response<GetProductGroupResponse>, Status> {
        let id = Id::parse("id", &request.get_ref().id)?;
        let group = groups::get(&self.app, &actor(&request), id).await?;
        Ok(Response::new(GetProductGroupResponse { group: Some(group_info(group)) }))
    }

    async fn create_product_group(
        &self,
        request: Request<CreateProductGroupRequest>,
    ) -> Result<Response<CreateProductGroupResponse>, Status> {
        let actor = actor(&request);
        let request = request.into_inner();
        let new = NewGroup {
            category_id: given_id("category_id", request.category_id.as_ref())?,
            name: request.name,
            description: request.description,
            sort_order: request.sort_order,
        };
        let group = groups::create(&self.app, &actor, &new).await?;
        Ok(Response::new(CreateProductGroupResponse { group: Some(group_info(group)) }))
    }

    async fn update_product_group(
        &self,
        request: Request<UpdateProductGroupRequest>,
    ) -> Result<Response<UpdateProductGroupResponse>, Status> {
        let actor = actor(&request);
        let request = request.into_inner();
        let id = Id::parse("id", &request.id)?;
        let change = GroupUpdate {
            category: Placement::parse("category_id", request.category_id.as_deref())?,
            name: request.name,
            description: request.description,
            sort_order: request.sort_order,
        };
        let group = groups::update(&self.app, &actor, id, &change).await?;
        Ok(Response::new(UpdateProductGroupResponse { group: Some(group_info(group)) }))
    }

    async fn delete_product_group(
        &self,
        request: Request<DeleteProductGroupRequest>,
    ) -> Result<Response<DeleteProductGroupResponse>, Status> {
        let id = Id::parse("id", &request.get_ref().id)?;
        groups::delete(&self.app, &actor(&request), id).await?;
        Ok(Response::new(DeleteProductGroupResponse {}))
    }
}

fn group_info(group: Group) -> ProductGroupInfo {
    ProductGroupInfo {
        id: group.id.to_string(),
        name: group.name,
        description: group.description,
        sort_order: group.sort_order,
        product_count: group.product_count,
        created_at: group.created_at.to_string(),
        updated_at: group.updated_at.to_string(),
        category_id: text(group.category_id),
    }
}
