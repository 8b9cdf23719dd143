//! `ProductCategoryService`.

use super::{Api, proto::product::product_category_service_server::ProductCategoryService};

#[tonic::async_trait]
impl ProductCategoryService for Api {}
