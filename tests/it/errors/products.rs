//! Products, their groups and categories.

use serde_json::{Value, json};

use super::{
    row::{UNKNOWN, rows},
    scene::Scene,
};
use crate::support::stage::unique;

/// More products than one call takes.
fn many() -> Vec<&'static str> {
    vec![UNKNOWN; 501]
}

fn items(count: usize) -> Vec<Value> {
    vec![json!({ "name": "A", "cost_price": "3.00" }); count]
}

/// A group that holds a product.
async fn full_group(scene: &Scene<'_>) -> String {
    let group = scene.group().await;
    let message = json!({ "product_ids": [scene.product().await], "group_id": group });
    scene.admin("ProductService/BatchSetGroup", message).await;
    group
}

/// A category that holds a group.
async fn full_category(scene: &Scene<'_>) -> String {
    let category = scene.category().await;
    let message = json!({ "name": unique(), "category_id": category });
    scene.admin("ProductGroupService/CreateProductGroup", message).await;
    category
}

rows! {
    "ProductService/CreateProduct" {
        InvalidArgument "a value is not acceptable": Admin, "money.malformed", "`price_per_month` is `cheap`" => |s| {
            let mut message = s.product_message();
            message["price_per_month"] = json!("cheap");
            message
        };
        NotFound "no such provider interface": Admin, "not_found", "interface `UNKNOWN`" => |s| {
            let mut message = s.product_message();
            message["interface_id"] = json!(UNKNOWN);
            message
        };
    }
    "ProductService/ListProducts" {
        InvalidArgument "a filter is malformed": Nobody, "id.malformed", "`group_id` is `42`" => |_| json!({ "group_id": "42" });
    }
    "ProductService/GetProduct" {
        NotFound "no such product": Admin, "not_found", "product `UNKNOWN`" => |_| json!({ "id": UNKNOWN });
        NotFound "it is disabled and the caller is no administrator": Owner, "not_found", "does not exist" => |s| {
            let id = s.product().await;
            s.admin("ProductService/UpdateProduct", json!({ "id": id, "is_active": false })).await;
            json!({ "id": id })
        };
    }
    "ProductService/UpdateProduct" {
        InvalidArgument "a value is not acceptable": Admin, "money.malformed", "`price_per_month` is `-1.00`" => |s| json!({
            "id": s.product().await, "price_per_month": "-1.00",
        });
        NotFound "no such product": Admin, "not_found", "product `UNKNOWN`" => |_| json!({ "id": UNKNOWN, "name": "A" });
    }
    "ProductService/DeleteProduct" {
        InvalidArgument "One that is in use is refused with InvalidArgument": Admin, "product.in_use", "1 order" => |s| json!({
            "id": s.ordered().await,
        });
        NotFound "no such product": Admin, "not_found", "product `UNKNOWN`" => |_| json!({ "id": UNKNOWN });
    }
    "ProductService/SyncProducts" {
        NotFound "no such interface": Admin, "not_found", "interface `UNKNOWN`" => |_| json!({ "interface_id": UNKNOWN });
        NotFound "it is disabled": Admin, "not_found", "enabled plugin interface" => |s| json!({ "interface_id": s.closed().await });
        Internal "the plugin failed": Admin, "plugin.refused", "out of order" => |s| json!({ "interface_id": s.broken });
    }
    "ProductService/BatchSetActive" {
        InvalidArgument "product_ids is empty": Admin, "batch.size", "`product_ids` has 0" => |_| json!({ "is_active": true });
        InvalidArgument "has more than 500 entries": Admin, "batch.size", "501" => |_| json!({ "product_ids": many() });
        NotFound "no such product": Admin, "not_found", "product `UNKNOWN`" => |s| json!({
            "product_ids": [s.product().await, UNKNOWN],
        });
    }
    "ProductService/BatchSetGroup" {
        InvalidArgument "product_ids is empty": Admin, "batch.size", "`product_ids` has 0" => |_| json!({});
        InvalidArgument "has more than 500 entries": Admin, "batch.size", "501" => |_| json!({ "product_ids": many() });
        NotFound "no such product": Admin, "not_found", "product `UNKNOWN`" => |s| json!({
            "product_ids": [s.product().await, UNKNOWN],
        });
        NotFound "group": Admin, "not_found", "product group `UNKNOWN`" => |s| json!({
            "product_ids": [s.product().await], "group_id": UNKNOWN,
        });
    }
    "ProductService/BatchDelete" {
        InvalidArgument "product_ids is empty": Admin, "batch.size", "`product_ids` has 0" => |_| json!({});
        InvalidArgument "has more than 500 entries": Admin, "batch.size", "501" => |_| json!({ "product_ids": many() });
        InvalidArgument "a product is in use": Admin, "product.in_use", "1 order" => |s| json!({
            "product_ids": [s.product().await, s.ordered().await],
        });
        NotFound "no such product": Admin, "not_found", "product `UNKNOWN`" => |s| json!({
            "product_ids": [s.product().await, UNKNOWN],
        });
    }
    "ProductService/ImportUpstreamProducts" {
        InvalidArgument "interface_id is not usable": Admin, "plugin.wrong_type", "`interface_id` names" => |s| json!({
            "interface_id": s.gateway.id, "items": items(1),
        });
        InvalidArgument "items is empty": Admin, "batch.size", "`items` has 0" => |s| json!({ "interface_id": s.provider.id });
        InvalidArgument "has more than 500 entries": Admin, "batch.size", "501" => |s| json!({
            "interface_id": s.provider.id, "items": items(501),
        });
        NotFound "no such interface": Admin, "not_found", "interface `UNKNOWN`" => |_| json!({
            "interface_id": UNKNOWN, "items": items(1),
        });
        NotFound "group": Admin, "not_found", "product group `UNKNOWN`" => |s| json!({
            "interface_id": s.provider.id, "items": items(1), "group_id": UNKNOWN,
        });
    }
    "ProductService/BatchUpdatePrice" {
        InvalidArgument "markup_ratio is not a number": Admin, "product.markup_ratio", "`markup_ratio` is `much`" => |_| json!({
            "product_ids": [UNKNOWN], "markup_ratio": "much",
        });
        InvalidArgument "above 0": Admin, "product.markup_ratio", "`markup_ratio` is `0`" => |_| json!({
            "product_ids": [UNKNOWN], "markup_ratio": "0",
        });
        InvalidArgument "up to 1000": Admin, "product.markup_ratio", "`markup_ratio` is `1000.1`" => |_| json!({
            "product_ids": [UNKNOWN], "markup_ratio": "1000.1",
        });
        InvalidArgument "with at most 4 decimals": Admin, "product.markup_ratio", "`markup_ratio` is `1.00001`" => |_| json!({
            "product_ids": [UNKNOWN], "markup_ratio": "1.00001",
        });
        InvalidArgument "product_ids is empty": Admin, "batch.size", "`product_ids` has 0" => |_| json!({ "markup_ratio": "2" });
        InvalidArgument "has more than 500 entries": Admin, "batch.size", "501" => |_| json!({
            "product_ids": many(), "markup_ratio": "2",
        });
        InvalidArgument "a product has no cost price": Admin, "product.cost_price", "`cost_price`" => |s| json!({
            "product_ids": [s.gift().await], "markup_ratio": "2",
        });
        NotFound "no such product": Admin, "not_found", "product `UNKNOWN`" => |s| json!({
            "product_ids": [s.product().await, UNKNOWN], "markup_ratio": "2",
        });
    }
    "ProductGroupService/ListProductGroups" {
        InvalidArgument "category_id is malformed": Nobody, "id.malformed", "`category_id` is `42`" => |_| json!({ "category_id": "42" });
    }
    "ProductGroupService/GetProductGroup" {
        NotFound "no such group": Nobody, "not_found", "product group `UNKNOWN`" => |_| json!({ "id": UNKNOWN });
    }
    "ProductGroupService/CreateProductGroup" {
        InvalidArgument "a value is not acceptable": Admin, "text.missing", "`name`" => |_| json!({ "name": "" });
        NotFound "no such category": Admin, "not_found", "product category `UNKNOWN`" => |_| json!({
            "name": "A", "category_id": UNKNOWN,
        });
    }
    "ProductGroupService/UpdateProductGroup" {
        InvalidArgument "a value is not acceptable": Admin, "text.missing", "`name`" => |s| json!({
            "id": s.group().await, "name": " ",
        });
        NotFound "no such group": Admin, "not_found", "product group `UNKNOWN`" => |_| json!({ "id": UNKNOWN, "name": "A" });
        NotFound "category": Admin, "not_found", "product category `UNKNOWN`" => |s| json!({
            "id": s.group().await, "category_id": UNKNOWN,
        });
    }
    "ProductGroupService/DeleteProductGroup" {
        InvalidArgument "it holds products": Admin, "product_group.in_use", "1 product" => |s| json!({ "id": full_group(s).await });
        NotFound "no such group": Admin, "not_found", "product group `UNKNOWN`" => |_| json!({ "id": UNKNOWN });
    }
    "ProductCategoryService/GetProductCategory" {
        NotFound "no such category": Nobody, "not_found", "product category `UNKNOWN`" => |_| json!({ "id": UNKNOWN });
    }
    "ProductCategoryService/CreateProductCategory" {
        InvalidArgument "a value is not acceptable": Admin, "text.missing", "`name`" => |_| json!({ "name": "" });
    }
    "ProductCategoryService/UpdateProductCategory" {
        InvalidArgument "a value is not acceptable": Admin, "text.missing", "`name`" => |s| json!({
            "id": s.category().await, "name": "",
        });
        NotFound "no such category": Admin, "not_found", "product category `UNKNOWN`" => |_| json!({ "id": UNKNOWN, "name": "A" });
    }
    "ProductCategoryService/DeleteProductCategory" {
        InvalidArgument "it holds groups": Admin, "product_category.in_use", "1 group" => |s| json!({ "id": full_category(s).await });
        NotFound "no such category": Admin, "not_found", "product category `UNKNOWN`" => |_| json!({ "id": UNKNOWN });
    }
}
