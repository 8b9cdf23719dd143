//! `BalanceService`.

use tonic::{Request, Response, Status};

use super::{
    Api,
    convert::{page, page_request, present},
    proto::balance::{
        AdjustBalanceRequest, AdjustBalanceResponse, BalanceTransactionInfo, CreateRechargeRequest,
        CreateRechargeResponse, GetBalanceRequest, GetBalanceResponse, ListBalanceTransactionsRequest,
        ListBalanceTransactionsResponse, balance_service_server::BalanceService,
    },
};
use crate::{
    core::{
        balance::{self, Transaction, TransactionFilter, TransactionType},
        id::Id,
        money::{Money, Sign},
        settlement::{self, Target},
    },
    server::auth::actor,
};

#[tonic::async_trait]
impl BalanceService for Api {
    async fn get_balance(&self, request: Request<GetBalanceRequest>) -> Result<Response<GetBalanceResponse>, Status> {
        let customer_id = Id::parse_optional("customer_id", &request.get_ref().customer_id)?;
        let found = balance::get(&self.app, &actor(&request), customer_id).await?;
        Ok(Response::new(GetBalanceResponse {
            customer_id: found.customer_id.to_string(),
            balance: found.balance.to_string(),
            credit_limit: found.credit_limit.to_string(),
        }))
    }

    async fn list_balance_transactions(
        &self,
        request: Request<ListBalanceTransactionsRequest>,
    ) -> Result<Response<ListBalanceTransactionsResponse>, Status> {
        let actor = actor(&request);
        let request = request.into_inner();
        let filter = TransactionFilter {
            customer_id: Id::parse_optional("customer_id", &request.customer_id)?,
            transaction_type: present(&request.transaction_type).map(TransactionType::parse).transpose()?,
        };
        let found = balance::list(&self.app, &actor, filter, page_request(request.pagination)).await?;
        let (transactions, meta) = page(found, transaction_info);
        Ok(Response::new(ListBalanceTransactionsResponse { transactions, meta }))
    }

    async fn adjust_balance(
        &self,
        request: Request<AdjustBalanceRequest>,
    ) -> Result<Response<AdjustBalanceResponse>, Status> {
        let actor = actor(&request);
        let request = request.into_inner();
        let customer_id = Id::parse("customer_id", &request.customer_id)?;
        let amount = Money::parse("amount", &request.amount, Sign::Any)?;
        let row = balance::adjust(&self.app, &actor, customer_id, amount, &request.description).await?;
        Ok(Response::new(AdjustBalanceResponse { transaction: Some(transaction_info(row)) }))
    }

    async fn create_recharge(
        &self,
        request: Request<CreateRechargeRequest>,
    ) -> Result<Response<CreateRechargeResponse>, Status> {
        let actor = actor(&request);
        let request = request.into_inner();
        let target = Target::Recharge {
            customer_id: Id::parse_optional("customer_id", &request.customer_id)?,
            amount: Money::parse("amount", &request.amount, Sign::Positive)?,
        };
        let gateway = Id::parse("gateway_interface_id", &request.gateway_interface_id)?;
        let payment = settlement::start(&self.app, &actor, target, gateway, &request.return_url).await?;
        Ok(Response::new(CreateRechargeResponse {
            payment_id: payment.id.to_string(),
            payment_url: payment.payment_url,
            qr_code: payment.qr_code,
            instructions: payment.instructions,
        }))
    }
}

fn transaction_info(row: Transaction) -> BalanceTransactionInfo {
    BalanceTransactionInfo {
        id: row.id.to_string(),
        customer_id: row.customer_id.to_string(),
        amount: row.amount.to_string(),
        balance_after: row.balance_after.to_string(),
        transaction_type: row.transaction_type.to_string(),
        reference_id: row.reference_id,
        description: row.description,
        created_at: row.created_at.to_string(),
        balance_before: row.balance_before.to_string(),
    }
}
