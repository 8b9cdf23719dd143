//! Categories and groups: their order, their counts, who may change them, what keeps them from being deleted.

use rustbill::{
    core::{
        catalogue::{
            Category, Group, Placement,
            categories::{self, CategoryUpdate, NewCategory},
            groups::{self, GroupUpdate, NewGroup},
        },
        id::Id,
        page::PageRequest,
        products::{self, NewProduct, ProductUpdate},
    },
    server::grpc::protocol::rustbill::product as proto,
};
use tonic::Code;

use crate::{
    as_everybody, on_both,
    support::{
        cli::run_json,
        database::TestDatabase,
        everybody::Everybody,
        server::{InProcess, channel},
        world::{World, at_once, new_product},
    },
};
use proto::{
    product_category_service_client::ProductCategoryServiceClient,
    product_group_service_client::ProductGroupServiceClient,
};

async fn category(world: &World, name: &str, sort_order: i32) -> Category {
    let new = NewCategory { name: name.to_owned(), sort_order, ..NewCategory::default() };
    categories::create(&world.app, &world.admin, &new).await.unwrap()
}

async fn group(world: &World, name: &str, sort_order: u32, category: Option<Id>) -> Group {
    let new = NewGroup { name: name.to_owned(), sort_order, category_id: category, ..NewGroup::default() };
    groups::create(&world.app, &world.admin, &new).await.unwrap()
}

on_both! {
    async fn they_are_listed_by_position_then_name(world: World) {
        for (name, position) in [("c", 0), ("b", 0), ("z", -5), ("a", 7)] {
            category(&world, name, position).await;
        }
        let names = async |page| {
            let found = categories::list(&world.app, page).await.unwrap();
            (found.items.into_iter().map(|category| category.name).collect::<Vec<_>>(), found.total)
        };
        assert_eq!(names(PageRequest::default()).await, (["z", "b", "c", "a"].map(str::to_owned).into(), 4));
        assert_eq!(names(PageRequest::new(2, 3)).await, (vec!["a".to_owned()], 4));
        assert_eq!(names(PageRequest::new(3, 3)).await, (Vec::new(), 4));

        let servers = category(&world, "servers", 0).await;
        for (name, position, category) in [("m", 2, Some(servers.id)), ("l", 2, None), ("k", u32::MAX, Some(servers.id))] {
            group(&world, name, position, category).await;
        }
        let names = async |category| {
            let found = groups::list(&world.app, &world.admin, category, PageRequest::default()).await.unwrap();
            (found.items.into_iter().map(|group| group.name).collect::<Vec<_>>(), found.total)
        };
        assert_eq!(names(None).await, (["l", "m", "k"].map(str::to_owned).into(), 3));
        assert_eq!(names(Some(servers.id)).await, (["m", "k"].map(str::to_owned).into(), 2));
        assert_eq!(names(Some(Id::generate())).await, (Vec::new(), 0));
        assert_eq!(categories::get(&world.app, servers.id).await.unwrap().group_count, 2);
    }

    async fn only_what_is_given_changes(world: World) {
        let servers = category(&world, "servers", 1).await;
        let made = group(&world, "small", 1, Some(servers.id)).await;
        let change = GroupUpdate { description: Some(" two cores ".to_owned()), ..GroupUpdate::default() };
        let changed = groups::update(&world.app, &world.admin, made.id, &change).await.unwrap();
        assert_eq!((changed.name.as_str(), changed.description.as_str(), changed.sort_order), ("small", "two cores", 1));
        assert_eq!(changed.category_id, Some(servers.id));
        let out = GroupUpdate { category: Placement::Nowhere, sort_order: Some(0), ..GroupUpdate::default() };
        let changed = groups::update(&world.app, &world.admin, made.id, &out).await.unwrap();
        assert_eq!((changed.category_id, changed.sort_order), (None, 0));
        let nowhere = GroupUpdate { category: Placement::In(Id::generate()), ..GroupUpdate::default() };
        let error = groups::update(&world.app, &world.admin, made.id, &nowhere).await.unwrap_err();
        assert!(error.code() == "not_found" && error.to_string().contains("product category"), "{error}");
        let change = CategoryUpdate { name: Some("roots".to_owned()), sort_order: Some(-1), ..CategoryUpdate::default() };
        let changed = categories::update(&world.app, &world.admin, servers.id, &change).await.unwrap();
        assert_eq!((changed.name.as_str(), changed.sort_order), ("roots", -1));
        assert_eq!(world.count("SELECT CAST(COUNT(*) AS BIGINT) FROM operation_logs WHERE action IN ('product_group.create', 'product_group.update', 'product_category.update')").await, 4);
    }

    async fn what_is_in_use_stays(world: World) {
        let servers = category(&world, "servers", 0).await;
        let small = group(&world, "small", 0, Some(servers.id)).await;
        let provider = world.instant_provider().await;
        let new = NewProduct { group_id: Some(small.id), ..new_product(&provider) };
        let product = products::create(&world.app, &world.admin, &new).await.unwrap();

        let error = categories::delete(&world.app, &world.admin, servers.id).await.unwrap_err();
        assert_eq!(error.code(), "product_category.in_use");
        assert!(error.to_string().contains("`servers` holds 1 group"), "{error}");
        let error = groups::delete(&world.app, &world.admin, small.id).await.unwrap_err();
        assert_eq!(error.code(), "product_group.in_use");
        assert!(error.to_string().contains("`small` holds 1 product"), "{error}");

        // A disabled product is in the way as well, though only administrators count it.
        let off = ProductUpdate { is_active: Some(false), ..ProductUpdate::default() };
        products::update(&world.app, &world.admin, product.id, &off).await.unwrap();
        let nobody = rustbill::core::actor::Actor::anonymous("test");
        assert_eq!(groups::get(&world.app, &nobody, small.id).await.unwrap().product_count, 0);
        assert_eq!(groups::get(&world.app, &world.admin, small.id).await.unwrap().product_count, 1);
        assert_eq!(groups::delete(&world.app, &world.admin, small.id).await.unwrap_err().code(), "product_group.in_use");

        products::delete(&world.app, &world.admin, product.id).await.unwrap();
        groups::delete(&world.app, &world.admin, small.id).await.unwrap();
        categories::delete(&world.app, &world.admin, servers.id).await.unwrap();
        assert_eq!(groups::delete(&world.app, &world.admin, small.id).await.unwrap_err().code(), "not_found");
        assert_eq!(categories::delete(&world.app, &world.admin, servers.id).await.unwrap_err().code(), "not_found");
    }

    async fn a_group_is_not_deleted_under_a_product_that_comes_in(world: World) {
        let provider = world.instant_provider().await;
        for _ in 0..6 {
            let small = group(&world, "small", 0, None).await.id;
            let new = NewProduct { group_id: Some(small), ..new_product(&provider) };
            let results = at_once(2, |index| {
                let (app, admin, new) = (world.app.clone(), world.admin.clone(), new.clone());
                async move {
                    if index == 0 {
                        products::create(&app, &admin, &new).await.map(|_| ())
                    } else {
                        groups::delete(&app, &admin, small).await
                    }
                }
            })
            .await;
            let codes: Vec<&str> = results.iter().map(|result| result.as_ref().map_or_else(rustbill::core::error::Error::code, |()| "ok")).collect();
            assert!(codes == ["ok", "product_group.in_use"] || codes == ["not_found", "ok"], "{codes:?}");
        }
    }

    async fn who_may_do_what(world: World) {
        let server = InProcess::start(&world).await;
        let channel = channel(&server.address).await;
        let everybody = Everybody::log_in(&world, &channel).await;
        let id = Id::generate().to_string();
        let mut groups = ProductGroupServiceClient::new(channel.clone());
        as_everybody!(everybody, is_let_in, groups;
            list_product_groups(proto::ListProductGroupsRequest::default()),
            get_product_group(proto::GetProductGroupRequest { id: id.clone() }));
        as_everybody!(everybody, is_kept_to_admins, groups;
            create_product_group(proto::CreateProductGroupRequest::default()),
            update_product_group(proto::UpdateProductGroupRequest { id: id.clone(), ..Default::default() }),
            delete_product_group(proto::DeleteProductGroupRequest { id: id.clone() }));
        let mut categories = ProductCategoryServiceClient::new(channel.clone());
        as_everybody!(everybody, is_let_in, categories;
            list_product_categories(proto::ListProductCategoriesRequest::default()),
            get_product_category(proto::GetProductCategoryRequest { id: id.clone() }));
        as_everybody!(everybody, is_kept_to_admins, categories;
            create_product_category(proto::CreateProductCategoryRequest::default()),
            update_product_category(proto::UpdateProductCategoryRequest { id: id.clone(), ..Default::default() }),
            delete_product_category(proto::DeleteProductCategoryRequest { id: id.clone() }));
        assert_eq!(world.count("SELECT CAST(COUNT(*) AS BIGINT) FROM product_groups").await, 0);
        server.stop().await;
    }

    async fn over_the_wire(world: World) {
        let server = InProcess::start(&world).await;
        let channel = channel(&server.address).await;
        let everybody = Everybody::log_in(&world, &channel).await;
        let admin = everybody.admin();
        let mut categories = ProductCategoryServiceClient::new(channel.clone());
        let mut groups = ProductGroupServiceClient::new(channel.clone());
        let request = proto::CreateProductCategoryRequest { name: "servers".to_owned(), sort_order: -3, ..Default::default() };
        let servers = categories.create_product_category(admin.says(request)).await.unwrap().into_inner().category.unwrap();
        assert_eq!((servers.sort_order, servers.group_count), (-3, 0));
        let request = proto::CreateProductGroupRequest { name: "small".to_owned(), sort_order: 3, category_id: Some(servers.id.clone()), ..Default::default() };
        let small = groups.create_product_group(admin.says(request)).await.unwrap().into_inner().group.unwrap();
        assert_eq!((&small.category_id, small.sort_order), (&servers.id, 3));
        let request = proto::UpdateProductGroupRequest { id: small.id.clone(), category_id: Some(String::new()), ..Default::default() };
        let moved = groups.update_product_group(admin.says(request)).await.unwrap().into_inner().group.unwrap();
        assert_eq!((moved.category_id.as_str(), moved.name.as_str()), ("", "small"));

        let unknown = Id::generate().to_string();
        let refused = |status: tonic::Status, code: Code, names: &str| {
            assert_eq!(status.code(), code, "{status}");
            assert!(status.message().contains(names), "{status}");
        };
        let request = proto::CreateProductGroupRequest { name: " ".to_owned(), ..Default::default() };
        refused(groups.create_product_group(admin.says(request)).await.unwrap_err(), Code::InvalidArgument, "`name`");
        let request = proto::CreateProductGroupRequest { name: "x".to_owned(), category_id: Some(unknown.clone()), ..Default::default() };
        refused(groups.create_product_group(admin.says(request)).await.unwrap_err(), Code::NotFound, &unknown);
        let request = proto::GetProductGroupRequest { id: "x".to_owned() };
        refused(groups.get_product_group(request).await.unwrap_err(), Code::InvalidArgument, "`id`");
        let request = proto::GetProductCategoryRequest { id: unknown.clone() };
        refused(categories.get_product_category(request).await.unwrap_err(), Code::NotFound, &unknown);
        let request = proto::UpdateProductCategoryRequest { id: servers.id.clone(), name: Some("a\u{7}".to_owned()), ..Default::default() };
        refused(categories.update_product_category(admin.says(request)).await.unwrap_err(), Code::InvalidArgument, "`name`");
        groups.delete_product_group(admin.says(proto::DeleteProductGroupRequest { id: small.id })).await.unwrap();
        categories.delete_product_category(admin.says(proto::DeleteProductCategoryRequest { id: servers.id })).await.unwrap();
        server.stop().await;
    }
}

#[test]
fn on_the_command_line() {
    let home = tempfile::tempdir().unwrap();
    let run = |args: &[&str], code: i32| run_json(home.path(), args, code);
    let id =
        |said: String| serde_json::from_str::<serde_json::Value>(&said).unwrap()["id"].as_str().unwrap().to_owned();
    let servers = id(run(&["category", "create", "--name", "servers", "--sort-order", "-2"], 0));
    let small = id(run(&["group", "create", "--name", "small", "--category", &servers], 0));
    assert!(run(&["category", "list"], 0).contains("\"group_count\": 1"));
    assert!(run(&["category", "delete", &servers, "--yes"], 2).contains("holds 1 group"));
    assert!(run(&["group", "update", &small, "--category", "", "--name", "tiny"], 0).contains("tiny"));
    assert!(run(&["group", "list", "--category", &servers], 0).contains("\"total\": 0"));
    assert!(run(&["group", "show", &small], 0).contains("\"category_id\": null"));
    assert!(run(&["category", "update", &servers, "--description", "x"], 0).contains("servers"));
    assert!(run(&["category", "delete", &servers, "--yes"], 0).contains("\"deleted\": true"));
    assert!(run(&["group", "delete", &small, "--yes"], 0).contains("\"deleted\": true"));
    assert!(run(&["group", "show", &small], 3).contains("does not exist"));
    assert!(run(&["category", "show", &servers], 3).contains("does not exist"));
}
