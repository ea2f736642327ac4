//! Generated from `wit/v0.1`.

wit_bindgen::generate!({
    path: "../wit/v0.1",
    world: "mapper",
    pub_export_macro: true,
    export_macro_name: "export_world",
    default_bindings_module: "ml_connector_sdk::__private::bindings",
    additional_derives: [PartialEq, Clone],
    generate_all,
    runtime_path: "ml_connector_sdk::rt",
});
