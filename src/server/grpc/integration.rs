//! `IntegrationService`. Its messages are encoded in `integration_encode.rs`.

use tonic::{Request, Response, Status};

use super::{
    Api,
    convert::{empty, given},
    integration_encode::{
        gateway_info, interface_info, issue_info, notifier_info, plugin_def, plugin_problem, provider_info, server_item,
    },
    order::specs,
    product::product_info,
    proto::{
        common::{EmptyRequest, EmptyResponse},
        integration::{
            CallPluginActionRequest, CallPluginActionResponse, CheckPluginHealthRequest, CheckPluginHealthResponse,
            CheckPluginSourceRequest, CheckPluginSourceResponse, CreatePluginInterfaceRequest,
            CreatePluginInterfaceResponse, DeletePluginInterfaceRequest, DeletePluginInterfaceResponse,
            GetPluginAdminPageRequest, GetPluginAdminPageResponse, GetPluginInterfaceRequest,
            GetPluginInterfaceResponse, GetPluginRequest, GetPluginResponse, GetPluginSourceRequest,
            GetPluginSourceResponse, GetUpstreamBalanceRequest, GetUpstreamBalanceResponse,
            ImportUpstreamInstanceRequest, ImportUpstreamInstanceResponse, InstanceStatusRequest,
            InstanceStatusResponse, ListGatewaysResponse, ListNotifiersResponse, ListPluginInterfacesRequest,
            ListPluginInterfacesResponse, ListPluginProblemsResponse, ListPluginsRequest, ListPluginsResponse,
            ListProvidersResponse, QueryPriceRequest, QueryPriceResponse, SyncUpstreamInstancesRequest,
            SyncUpstreamInstancesResponse, TogglePluginInterfaceRequest, TogglePluginInterfaceResponse,
            UpdatePluginInterfaceRequest, UpdatePluginInterfaceResponse, UpdatePluginSourceRequest,
            UpdatePluginSourceResponse, UpstreamOrderRequest, UpstreamOrderResponse,
            integration_service_server::IntegrationService,
        },
        order::ServerSpec,
        product::{ProductInfo, SyncProductsRequest, SyncProductsResponse},
    },
};
use crate::{
    core::{
        error::Result as CoreResult,
        id::Id,
        plugins::{self, InterfaceUpdate, Kind, NewInterface},
        products::{self, Specs},
        restart, supply,
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

    async fn delete_plugin_interface(
        &self,
        request: Request<DeletePluginInterfaceRequest>,
    ) -> Result<Response<DeletePluginInterfaceResponse>, Status> {
        let id = Id::parse("interface_id", &request.get_ref().interface_id)?;
        plugins::delete(&self.app, &actor(&request), id).await?;
        Ok(Response::new(DeletePluginInterfaceResponse {}))
    }

    async fn get_plugin_admin_page(
        &self,
        request: Request<GetPluginAdminPageRequest>,
    ) -> Result<Response<GetPluginAdminPageResponse>, Status> {
        let id = Id::parse("interface_id", &request.get_ref().interface_id)?;
        let page = plugins::admin_page(&self.app, &actor(&request), id).await?;
        Ok(Response::new(GetPluginAdminPageResponse { html_content: page.html, title: page.title }))
    }

    async fn call_plugin_action(
        &self,
        request: Request<CallPluginActionRequest>,
    ) -> Result<Response<CallPluginActionResponse>, Status> {
        let actor = actor(&request);
        let request = request.into_inner();
        let id = Id::parse("interface_id", &request.interface_id)?;
        let result = plugins::call_action(&self.app, &actor, id, &request.function, &request.args_json).await?;
        Ok(Response::new(CallPluginActionResponse { result_json: result.to_string() }))
    }

    async fn restart_server(&self, request: Request<EmptyRequest>) -> Result<Response<EmptyResponse>, Status> {
        restart::restart(&self.app, &actor(&request)).await?;
        Ok(empty())
    }

    async fn sync_products(
        &self,
        request: Request<SyncProductsRequest>,
    ) -> Result<Response<SyncProductsResponse>, Status> {
        let interface = Id::parse("interface_id", &request.get_ref().interface_id)?;
        let group = Id::parse_optional("group_id", &request.get_ref().group_id)?;
        let found = supply::sync_products(&self.app, &actor(&request), interface, group).await?;
        let synced: Vec<ProductInfo> = found.into_iter().map(product_info).collect();
        let count = u32::try_from(synced.len()).unwrap_or(u32::MAX);
        Ok(Response::new(SyncProductsResponse { synced, count }))
    }

    async fn query_price(&self, request: Request<QueryPriceRequest>) -> Result<Response<QueryPriceResponse>, Status> {
        let actor = actor(&request);
        let request = request.into_inner();
        let interface = Id::parse("interface_id", &request.interface_id)?;
        let wish = specs(ServerSpec {
            cpu_cores: request.cpu_cores,
            memory_gb: request.memory_gb,
            disk_gb: request.disk_gb,
            bandwidth_mbps: request.bandwidth_mbps,
            region: request.region,
            os: request.os,
            extra_specs: request.extra_specs,
        })?;
        let quote = supply::quote(&self.app, &actor, interface, &wish).await?;
        Ok(Response::new(QueryPriceResponse {
            amount: quote.amount.to_string(),
            currency: quote.currency,
            billing_cycle: quote.billing_cycle.to_string(),
        }))
    }

    async fn create_upstream_instance(
        &self,
        request: Request<UpstreamOrderRequest>,
    ) -> Result<Response<UpstreamOrderResponse>, Status> {
        let actor = actor(&request);
        let request = request.into_inner();
        let interface = Id::parse("interface_id", &request.interface_id)?;
        let wish = request.server_spec.map_or_else(|| Ok(Specs::new()), specs)?;
        let bought = supply::buy(&self.app, &actor, interface, &wish).await?;
        Ok(Response::new(UpstreamOrderResponse {
            provider_instance_id: bought.provider_instance_id,
            status: bought.status,
            ip_address: bought.ip_address,
        }))
    }

    async fn get_instance_status(
        &self,
        request: Request<InstanceStatusRequest>,
    ) -> Result<Response<InstanceStatusResponse>, Status> {
        let interface = Id::parse("interface_id", &request.get_ref().interface_id)?;
        let server = supply::status(&self.app, &actor(&request), interface, &request.get_ref().instance_id).await?;
        Ok(Response::new(InstanceStatusResponse { status: server.status, ip_address: server.ip_address }))
    }

    async fn sync_upstream_instances(
        &self,
        request: Request<SyncUpstreamInstancesRequest>,
    ) -> Result<Response<SyncUpstreamInstancesResponse>, Status> {
        let interface = Id::parse("interface_id", &request.get_ref().interface_id)?;
        let servers = supply::servers(&self.app, &actor(&request), interface).await?;
        Ok(Response::new(SyncUpstreamInstancesResponse { instances: servers.into_iter().map(server_item).collect() }))
    }

    async fn import_upstream_instance(
        &self,
        request: Request<ImportUpstreamInstanceRequest>,
    ) -> Result<Response<ImportUpstreamInstanceResponse>, Status> {
        let interface = Id::parse("interface_id", &request.get_ref().interface_id)?;
        let made = supply::import(&self.app, &actor(&request), interface, &request.get_ref().instance_id).await?;
        Ok(Response::new(ImportUpstreamInstanceResponse {
            instance_id: made.id.to_string(),
            status: made.status.to_string(),
            ip_address: made.ip_address,
        }))
    }

    async fn get_upstream_balance(
        &self,
        request: Request<GetUpstreamBalanceRequest>,
    ) -> Result<Response<GetUpstreamBalanceResponse>, Status> {
        let interface = Id::parse("interface_id", &request.get_ref().interface_id)?;
        let held = supply::balance(&self.app, &actor(&request), interface).await?;
        Ok(Response::new(GetUpstreamBalanceResponse { balance: held.balance.to_string(), currency: held.currency }))
    }

    async fn get_plugin_source(
        &self,
        request: Request<GetPluginSourceRequest>,
    ) -> Result<Response<GetPluginSourceResponse>, Status> {
        let id = Id::parse("interface_id", &request.get_ref().interface_id)?;
        let found = plugins::source(&self.app, &actor(&request), id).await?;
        Ok(Response::new(GetPluginSourceResponse { source: found.source, hash: found.hash, edited: found.edited }))
    }

    async fn update_plugin_source(
        &self,
        request: Request<UpdatePluginSourceRequest>,
    ) -> Result<Response<UpdatePluginSourceResponse>, Status> {
        let actor = actor(&request);
        let request = request.into_inner();
        let id = Id::parse("interface_id", &request.interface_id)?;
        let checked = plugins::update_source(&self.app, &actor, id, &request.source, &request.expected_hash).await?;
        Ok(Response::new(UpdatePluginSourceResponse {
            interface: Some(interface_info(checked.interface)),
            issues: checked.issues.into_iter().map(issue_info).collect(),
        }))
    }

    async fn check_plugin_source(
        &self,
        request: Request<CheckPluginSourceRequest>,
    ) -> Result<Response<CheckPluginSourceResponse>, Status> {
        let kind = plugins::parse_kind("plugin_type", &request.get_ref().plugin_type)?;
        let issues = plugins::check_source(&self.app, &actor(&request), kind, &request.get_ref().source).await?;
        Ok(Response::new(CheckPluginSourceResponse { issues: issues.into_iter().map(issue_info).collect() }))
    }

    async fn list_plugin_problems(
        &self,
        request: Request<EmptyRequest>,
    ) -> Result<Response<ListPluginProblemsResponse>, Status> {
        let found = plugins::broken(&self.app, &actor(&request)).await?;
        Ok(Response::new(ListPluginProblemsResponse { problems: found.into_iter().map(plugin_problem).collect() }))
    }
}

fn kind(field: Option<&String>) -> CoreResult<Option<Kind>> {
    given(field).map(|word| plugins::parse_kind("plugin_type", word)).transpose()
}
