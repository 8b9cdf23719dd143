//! `InstanceService`.

use tonic::{Request, Response, Status};

use super::{
    Api,
    convert::{given, given_id, page, page_request},
    proto::instance::{
        GetInstanceRequest, GetInstanceResponse, InstanceInfo, ListInstancesRequest, ListInstancesResponse,
        instance_service_server::InstanceService,
    },
};
use crate::{
    core::{
        id::Id,
        instances::{self, Instance, InstanceFilter, InstanceStatus},
    },
    server::auth::actor,
};

#[tonic::async_trait]
impl InstanceService for Api {
    async fn list_instances(
        &self,
        request: Request<ListInstancesRequest>,
    ) -> Result<Response<ListInstancesResponse>, Status> {
        let actor = actor(&request);
        let request = request.into_inner();
        let filter = InstanceFilter {
            customer_id: given_id("customer_id", request.customer_id.as_ref())?,
            status: given(request.status.as_ref()).map(InstanceStatus::parse).transpose()?,
            provider_interface_id: given_id("provider_interface_id", request.provider_interface_id.as_ref())?,
        };
        let found = instances::list(&self.app, &actor, filter, page_request(request.pagination)).await?;
        let (instances, meta) = page(found, instance_info);
        Ok(Response::new(ListInstancesResponse { instances, meta }))
    }

    async fn get_instance(
        &self,
        request: Request<GetInstanceRequest>,
    ) -> Result<Response<GetInstanceResponse>, Status> {
        let id = Id::parse("id", &request.get_ref().id)?;
        let instance = instances::get(&self.app, &actor(&request), id).await?;
        Ok(Response::new(GetInstanceResponse {
            instance: Some(instance_info(instance)),
            sections: Vec::new(),
            actions: Vec::new(),
        }))
    }
}

fn instance_info(instance: Instance) -> InstanceInfo {
    InstanceInfo {
        id: instance.id.to_string(),
        order_id: instance.order_id.to_string(),
        customer_id: instance.customer_id.to_string(),
        product_id: instance.product_id.to_string(),
        provider_interface_id: instance.provider_interface_id.to_string(),
        provider_instance_id: instance.provider_instance_id,
        status: instance.status.to_string(),
        ip_address: instance.ip_address,
        server_spec: instance.server_spec.0.into_iter().collect(),
        product_name: instance.product_name,
        created_at: instance.created_at.to_string(),
        updated_at: instance.updated_at.to_string(),
    }
}
