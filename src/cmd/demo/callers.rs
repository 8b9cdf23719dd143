//! Who calls the API: a connection and a credential, as any program on the network would have them.

use std::{future::Future, net::SocketAddr, time::Duration};

use tonic::{
    Code, Request, Response, Status,
    metadata::{Ascii, MetadataValue},
    service::{Interceptor, interceptor::InterceptedService},
    transport::{Channel, Endpoint},
};

use crate::{
    core::error::{Error, Result},
    server::grpc::protocol::rustbill::{
        balance::balance_service_client::BalanceServiceClient,
        billing::billing_service_client::BillingServiceClient,
        customer::customer_service_client::CustomerServiceClient,
        identity::{LoginRequest, LoginResponse, identity_service_client::IdentityServiceClient},
        instance::instance_service_client::InstanceServiceClient,
        integration::integration_service_client::IntegrationServiceClient,
        order::order_service_client::OrderServiceClient,
        payment::payment_service_client::PaymentServiceClient,
        product::product_service_client::ProductServiceClient,
    },
};

/// How long the server may take to accept, and to answer one call.
const CONNECT_MAX: Duration = Duration::from_secs(5);
const ANSWER_MAX: Duration = Duration::from_secs(30);

/// A metadata field that says who calls; none for strangers.
#[derive(Clone, Default)]
pub(super) struct Credential(Option<(&'static str, MetadataValue<Ascii>)>);

impl Interceptor for Credential {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        if let Some((name, value)) = &self.0 {
            request.metadata_mut().insert(*name, value.clone());
        }
        Ok(request)
    }
}

/// Somebody with a connection of their own.
#[derive(Clone)]
pub(super) struct Caller {
    channel: Channel,
    credential: Credential,
}

macro_rules! services {
    ($($name:ident: $client:ident),* $(,)?) => {
        impl Caller {
            $(pub(super) fn $name(&self) -> $client<InterceptedService<Channel, Credential>> {
                $client::with_interceptor(self.channel.clone(), self.credential.clone())
            })*
        }
    };
}

services!(
    balance: BalanceServiceClient,
    billing: BillingServiceClient,
    customers: CustomerServiceClient,
    identity: IdentityServiceClient,
    instances: InstanceServiceClient,
    integration: IntegrationServiceClient,
    orders: OrderServiceClient,
    payments: PaymentServiceClient,
    products: ProductServiceClient,
);

impl Caller {
    /// A stranger who connects.
    pub(super) async fn connect(address: SocketAddr) -> Result<Self> {
        let failed = |cause| Error::unavailable("demo.connect", format!("can't reach {address}")).caused_by(cause);
        let endpoint = Endpoint::from_shared(format!("http://{address}")).map_err(failed)?;
        let endpoint = endpoint.connect_timeout(CONNECT_MAX).timeout(ANSWER_MAX);
        Ok(Self { channel: endpoint.connect().await.map_err(failed)?, credential: Credential::default() })
    }

    /// The same connection after an administrator's login, whose answer sets a cookie.
    pub(super) async fn log_in_admin(&self, username: &str, password: &str) -> Result<Self> {
        let answer = self.log_in(username, password, "admin").await?;
        let cookie = answer.metadata().get("set-cookie").and_then(|value| value.to_str().ok());
        let pair = cookie.and_then(|cookie| cookie.split(';').next());
        self.with("cookie", pair.ok_or_else(|| unexpected("the answer to the login sets no cookie"))?)
    }

    /// The same connection after a customer's login, whose answer holds a token.
    pub(super) async fn log_in_customer(&self, username: &str, password: &str) -> Result<Self> {
        let answer = self.log_in(username, password, "customer").await?;
        self.with("authorization", &format!("Bearer {}", answer.get_ref().access_token))
    }

    async fn log_in(&self, username: &str, password: &str, kind: &str) -> Result<Response<LoginResponse>> {
        let request =
            LoginRequest { username: username.to_owned(), password: password.to_owned(), user_type: kind.to_owned() };
        self.identity().login(request).await.map_err(refused)
    }

    fn with(&self, name: &'static str, value: &str) -> Result<Self> {
        let value = value.parse().map_err(|_| unexpected("the credential can't be sent"))?;
        Ok(Self { channel: self.channel.clone(), credential: Credential(Some((name, value))) })
    }
}

/// What a call answers, with a refusal as an error of ours.
pub(super) async fn call<T>(answer: impl Future<Output = Result<Response<T>, Status>>) -> Result<T> {
    answer.await.map(Response::into_inner).map_err(refused)
}

/// Something that every right answer holds.
pub(super) fn held<T>(value: Option<T>, what: &str) -> Result<T> {
    value.ok_or_else(|| unexpected(&format!("the answer holds no {what}")))
}

/// The server did what it should not.
pub(super) fn unexpected(problem: &str) -> Error {
    Error::internal("demo.unexpected", problem)
}

#[expect(clippy::needless_pass_by_value, reason = "for map_err")]
fn refused(status: Status) -> Error {
    let message = format!("{:?}: {}", status.code(), status.message());
    match status.code() {
        Code::InvalidArgument => Error::invalid("demo.refused", message),
        Code::Unavailable => Error::unavailable("demo.refused", message),
        Code::PermissionDenied => Error::denied("demo.refused", message),
        Code::AlreadyExists => Error::already_exists("demo.refused", message),
        Code::ResourceExhausted => Error::too_many("demo.refused", message),
        _ => Error::internal("demo.refused", message),
    }
}
