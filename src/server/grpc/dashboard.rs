//! `DashboardService`.

use tonic::{Request, Response, Status};

use super::{
    Api,
    proto::dashboard::{
        GetOverviewRequest, GetOverviewResponse, RevenuePoint, dashboard_service_server::DashboardService,
    },
};
use crate::{
    core::dashboard::{self, DayRevenue},
    server::auth::actor,
};

#[tonic::async_trait]
impl DashboardService for Api {
    async fn get_overview(
        &self,
        request: Request<GetOverviewRequest>,
    ) -> Result<Response<GetOverviewResponse>, Status> {
        let found = dashboard::overview(&self.app, &actor(&request), request.get_ref().days).await?;
        Ok(Response::new(GetOverviewResponse {
            counts: found.counts.into_iter().collect(),
            revenue_this_month: found.revenue_this_month.to_string(),
            revenue_last_month: found.revenue_last_month.to_string(),
            receivable: found.receivable.to_string(),
            currency: found.currency,
            revenue: found.revenue.into_iter().map(revenue_point).collect(),
        }))
    }
}

fn revenue_point(day: DayRevenue) -> RevenuePoint {
    RevenuePoint { date: day.date.to_string(), amount: day.amount.to_string(), orders: day.orders }
}
