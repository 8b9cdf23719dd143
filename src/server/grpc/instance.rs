//! `InstanceService`.

use tonic::{Request, Response, Status};

use super::{
    Api,
    convert::{given, given_id, page, page_request},
    proto::instance::{
        ExecuteInstanceActionRequest, ExecuteInstanceActionResponse, GetInstanceRequest, GetInstanceResponse,
        InstanceAction, InstanceDetailField, InstanceDetailSection, InstanceInfo, ListInstancesRequest,
        ListInstancesResponse, RestartInstanceRequest, RestartInstanceResponse, StartInstanceRequest,
        StartInstanceResponse, StopInstanceRequest, StopInstanceResponse, TerminateInstanceRequest,
        TerminateInstanceResponse, instance_service_server::InstanceService,
    },
};
use crate::{
    core::{
        control::{self, Action, DetailField, Section},
        id::Id,
        instances::{self, Instance, InstanceFilter, InstanceStatus, Power},
        settlement,
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
        let found = control::describe(&self.app, &actor(&request), id).await?;
        Ok(Response::new(GetInstanceResponse {
            instance: Some(instance_info(found.instance)),
            sections: found.sections.into_iter().map(section).collect(),
            actions: found.actions.into_iter().map(action).collect(),
        }))
    }

    async fn start_instance(
        &self,
        request: Request<StartInstanceRequest>,
    ) -> Result<Response<StartInstanceResponse>, Status> {
        let id = Id::parse("id", &request.get_ref().id)?;
        let instance = control::switch(&self.app, &actor(&request), id, Power::Start).await?;
        Ok(Response::new(StartInstanceResponse { instance: Some(instance_info(instance)) }))
    }

    async fn stop_instance(
        &self,
        request: Request<StopInstanceRequest>,
    ) -> Result<Response<StopInstanceResponse>, Status> {
        let id = Id::parse("id", &request.get_ref().id)?;
        let instance = control::switch(&self.app, &actor(&request), id, Power::Stop).await?;
        Ok(Response::new(StopInstanceResponse { instance: Some(instance_info(instance)) }))
    }

    async fn restart_instance(
        &self,
        request: Request<RestartInstanceRequest>,
    ) -> Result<Response<RestartInstanceResponse>, Status> {
        let id = Id::parse("id", &request.get_ref().id)?;
        let instance = control::switch(&self.app, &actor(&request), id, Power::Restart).await?;
        Ok(Response::new(RestartInstanceResponse { instance: Some(instance_info(instance)) }))
    }

    async fn terminate_instance(
        &self,
        request: Request<TerminateInstanceRequest>,
    ) -> Result<Response<TerminateInstanceResponse>, Status> {
        let id = Id::parse("id", &request.get_ref().id)?;
        settlement::terminate(&self.app, &actor(&request), id).await?;
        Ok(Response::new(TerminateInstanceResponse {}))
    }

    async fn execute_instance_action(
        &self,
        request: Request<ExecuteInstanceActionRequest>,
    ) -> Result<Response<ExecuteInstanceActionResponse>, Status> {
        let (actor, request) = (actor(&request), request.into_inner());
        let id = Id::parse("id", &request.id)?;
        let answer = control::act(&self.app, &actor, id, &request.action, &request.params_json).await?;
        Ok(Response::new(ExecuteInstanceActionResponse {
            success: answer.success,
            message: answer.message,
            data: answer.data,
        }))
    }
}

fn section(section: Section) -> InstanceDetailSection {
    let field = |field: DetailField| InstanceDetailField {
        key: field.key,
        value: field.value,
        value_type: field.value_type.to_string(),
    };
    InstanceDetailSection {
        title: section.title,
        fields: section.fields.into_iter().map(field).collect(),
        content_html: section.content_html,
        kind: section.kind,
        order: section.order,
        iframe_url: section.iframe_url,
        data_json: section.data_json,
    }
}

fn action(action: Action) -> InstanceAction {
    InstanceAction {
        id: action.id,
        label: action.label,
        style: action.style.to_string(),
        confirmation: action.confirmation,
        enabled: action.enabled,
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
