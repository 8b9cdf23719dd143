//! `IntegrationService`. Its messages are encoded in `integration_encode.rs`.

use tonic::{Request, Response, Status};

use super::{
    Api,
    convert::given,
    integration_encode::{gateway_info, interface_info, notifier_info, plugin_def, provider_info},
    proto::{
        common::EmptyRequest,
        integration::{
            CheckPluginHealthRequest, CheckPluginHealthResponse, CreatePluginInterfaceRequest,
            CreatePluginInterfaceResponse, GetPluginInterfaceRequest, GetPluginInterfaceResponse, GetPluginRequest,
            GetPluginResponse, ListGatewaysResponse, ListNotifiersResponse, ListPluginInterfacesRequest,
            ListPluginInterfacesResponse, ListPluginsRequest, ListPluginsResponse, ListProvidersResponse,
            TogglePluginInterfaceRequest, TogglePluginInterfaceResponse, UpdatePluginInterfaceRequest,
            UpdatePluginInterfaceResponse, integration_service_server::IntegrationService,
        },
    },
};
use crate::{
    core::{
        error::Result as CoreResult,
        id::Id,
        plugins::{self, InterfaceUpdate, Kind, NewInterface},
        products,
    },
    server::auth::actor,
};

#[tonic::async_trait]
impl IntegrationService for Api {
    async fn list_providers(&self, request: Request<EmptyRequest>) -> Result<Response<ListProvidersResponse>, Status> {
        let found = products::providers(&self.app, &actor(&request)).await?;
        Ok(Response::new(ListProvidersResponse { providers: found.into_iter().map(provider_info).collect() }))
    }

    async fn list_gateways(&self, request: Request<EmptyRequest>) -> Result<Response<ListGatewaysResponse>, Status> {
        let found = plugins::visible(&self.app, &actor(&request), &[Kind::Gateway]).await?;
        Ok(Response::new(ListGatewaysResponse { gateways: found.into_iter().map(gateway_info).collect() }))
    }

    async fn list_notifiers(&self, request: Request<EmptyRequest>) -> Result<Response<ListNotifiersResponse>, Status> {
        let found = plugins::visible(&self.app, &actor(&request), &[Kind::Notifier]).await?;
        Ok(Response::new(ListNotifiersResponse { notifiers: found.into_iter().map(notifier_info).collect() }))
    }

    async fn list_plugins(
        &self,
        request: Request<ListPluginsRequest>,
    ) -> Result<Response<ListPluginsResponse>, Status> {
        let kind = kind(request.get_ref().plugin_type.as_ref())?;
        let found = plugins::definitions(&self.app, &actor(&request), kind).await?;
        Ok(Response::new(ListPluginsResponse { plugins: found.into_iter().map(plugin_def).collect() }))
    }

    async fn get_plugin(&self, request: Request<GetPluginRequest>) -> Result<Response<GetPluginResponse>, Status> {
        let id = Id::parse("id", &request.get_ref().id)?;
        let found = plugins::definition(&self.app, &actor(&request), id).await?;
        Ok(Response::new(GetPluginResponse { plugin: Some(plugin_def(found)) }))
    }

    async fn list_plugin_interfaces(
        &self,
        request: Request<ListPluginInterfacesRequest>,
    ) -> Result<Response<ListPluginInterfacesResponse>, Status> {
        let kind = kind(request.get_ref().plugin_type.as_ref())?;
        let found = plugins::list(&self.app, &actor(&request), kind).await?;
        Ok(Response::new(ListPluginInterfacesResponse { interfaces: found.into_iter().map(interface_info).collect() }))
    }

    async fn get_plugin_interface(
        &self,
        request: Request<GetPluginInterfaceRequest>,
    ) -> Result<Response<GetPluginInterfaceResponse>, Status> {
        let id = Id::parse("interface_id", &request.get_ref().interface_id)?;
        let found = plugins::get(&self.app, &actor(&request), id).await?;
        Ok(Response::new(GetPluginInterfaceResponse { interface: Some(interface_info(found)) }))
    }

    async fn create_plugin_interface(
        &self,
        request: Request<CreatePluginInterfaceRequest>,
    ) -> Result<Response<CreatePluginInterfaceResponse>, Status> {
        let actor = actor(&request);
        let request = request.into_inner();
        let new = NewInterface {
            definition_id: Id::parse("plugin_def_id", &request.plugin_def_id)?,
            display_name: request.display_name,
            config_json: request.config_json,
        };
        let made = plugins::create(&self.app, &actor, &new).await?;
        Ok(Response::new(CreatePluginInterfaceResponse { interface: Some(interface_info(made)) }))
    }

    async fn update_plugin_interface(
        &self,
        request: Request<UpdatePluginInterfaceRequest>,
    ) -> Result<Response<UpdatePluginInterfaceResponse>, Status> {
        let actor = actor(&request);
        let request = request.into_inner();
        let id = Id::parse("interface_id", &request.interface_id)?;
        let change = InterfaceUpdate { display_name: request.display_name, config_json: request.config_json };
        let changed = plugins::update(&self.app, &actor, id, &change).await?;
        Ok(Response::new(UpdatePluginInterfaceResponse { interface: Some(interface_info(changed)) }))
    }

    async fn toggle_plugin_interface(
        &self,
        request: Request<TogglePluginInterfaceRequest>,
    ) -> Result<Response<TogglePluginInterfaceResponse>, Status> {
        let id = Id::parse("interface_id", &request.get_ref().interface_id)?;
        let changed = plugins::toggle(&self.app, &actor(&request), id, request.get_ref().enable).await?;
        Ok(Response::new(TogglePluginInterfaceResponse { interface: Some(interface_info(changed)) }))
    }

    async fn check_plugin_health(
        &self,
        request: Request<CheckPluginHealthRequest>,
    ) -> Result<Response<CheckPluginHealthResponse>, Status> {
        let id = Id::parse("interface_id", &request.get_ref().interface_id)?;
        let health = plugins::check_health(&self.app, &actor(&request), id).await?;
        Ok(Response::new(CheckPluginHealthResponse {
            is_healthy: health.is_healthy,
            error: health.error,
            checked_at: health.checked_at.to_string(),
        }))
    }
}

fn kind(field: Option<&String>) -> CoreResult<Option<Kind>> {
    given(field).map(|word| plugins::parse_kind("plugin_type", word)).transpose()
}
