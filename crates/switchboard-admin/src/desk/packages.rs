//! Packages: configurations that are loaded, and addresses to upload to.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use serde_json::{Map, Value};
use switchboard_core::store::{Change, Query, Row, StoreError, Test, tables};
use switchboard_core::{Area, Prefix};

use crate::access::Right;
use crate::desk::bundles::Archive;
use crate::desk::manifest::{Manifest, Stats};
use crate::desk::{Desk, Extent};
use crate::fault::Fault;
use crate::moment::Moment;
use crate::record::{Class, ModuleWish, SettingWish};
use crate::scalar::JsonCamelCase;

/// What is to be loaded.
#[derive(Clone, Debug, Default)]
pub(crate) struct Load {
    pub module: Option<String>,
    pub package: Option<String>,
    pub source: Option<String>,
    pub manifest: Option<Value>,
    /// Values that settings are to have.
    pub variables: Map<String, Value>,
    /// Who is said to have written it; the principal where that is not said.
    pub by: Option<String>,
    /// Whether settings that are there stay as they are.
    pub keeps_settings: bool,
}

/// Where a package may be uploaded.
#[derive(Clone, Debug)]
pub(crate) struct Upload {
    pub url: String,
    pub key: String,
    pub expires: Moment,
}

/// How long an address for an upload is good: what the older engine gave.
const UPLOAD: Duration = Duration::from_secs(900);

/// Modules of a package that are looked at: more than any has.
const MODULES: u32 = 500;

/// What makes modules of packages ours to serve. Any text did in the older engine.
const UPLOADED: &str = "";

/// What the modules are of that another server answers for.
const EXTERNAL: &str = "external";

impl Desk {
    /// Writes the functions, modules and settings of a manifest: the one that is sent, or that of a
    /// package, which is kept with them.
    pub(crate) async fn load(&self, load: Load, package: Option<String>) -> Result<Stats, Fault> {
        self.access.require(Right::Manage(Area::Functions))?;
        self.access.require(Right::Manage(Area::Settings))?;
        if let Some(manifest) = load.manifest.clone() {
            let manifest = Manifest::read(manifest, load.module.as_deref())?;
            return self.write(&manifest, &load).await;
        }
        if load.source.as_deref() == Some(EXTERNAL) {
            return Err(Fault::invalid("`syncExternalMcpServer` is for servers elsewhere"));
        }
        let content = match self.sent(package, None).await? {
            Some(content) => content,
            None => {
                let name = load.package.as_deref().or(load.module.as_deref());
                let needs = "this needs `mcpConfiguration`, `packageBase64` or `moduleName`";
                self.in_place(name.ok_or_else(|| Fault::invalid(needs))?).await?
            }
        };
        self.load_package(load, content).await
    }

    /// The same of a package that was uploaded.
    pub(crate) async fn process(&self, key: &str, load: Load) -> Result<Stats, Fault> {
        self.access.require(Right::Manage(Area::Functions))?;
        self.access.require(Right::Manage(Area::Settings))?;
        let content = self.uploaded(key).await?;
        let stats = self.load_package(load, content).await?;
        // It is kept as a version now. Where it cannot be deleted, the next one takes its place.
        let _ = self.ports.blobs.delete(key).await;
        Ok(stats)
    }

    /// A package where the older engine looked for it.
    async fn in_place(&self, name: &str) -> Result<Bytes, Fault> {
        // Nothing that leads elsewhere than to the top.
        Prefix::new(name).map_err(|error| Fault::Invalid(format!("`{name}`: {error}")))?;
        let content = self.fetch(&format!("{name}.zip")).await;
        content.map_err(|fault| match fault {
            Fault::NotFound { .. } => Fault::Invalid(format!(
                "there is no package `{name}.zip`; upload it, or send its manifest as \
                 `mcpConfiguration`"
            )),
            fault => fault,
        })
    }

    /// Keeps a package as a version of the bundle of its name, and what its manifest says in rows, by
    /// which it is served.
    async fn load_package(&self, load: Load, content: Bytes) -> Result<Stats, Fault> {
        let name = load.package.clone().or_else(|| load.module.clone()).unwrap_or_default();
        let archive = Archive { content, signature: None };
        let new = self.take(&name, archive).await?;
        let manifest = match &new.inspected.configuration {
            Some(text) => Some(package_manifest(&name, text, load.module.as_deref())?),
            None => None,
        };
        self.put_package(&name, &new).await?;
        let stats = match manifest {
            None => new.inspected.stats(),
            Some(manifest) => {
                let source = load.source.clone().or_else(|| Some(UPLOADED.to_owned()));
                let quiet = Self { is_quiet: true, ..self.clone() };
                let stats = quiet.write_rows(&manifest, &Load { source, ..load }).await?;
                quiet.forget_others(&name, &manifest).await?;
                stats
            }
        };
        // Once all of it is there.
        self.changed(Area::Settings).await;
        self.changed(Area::Functions).await;
        Ok(stats)
    }

    /// Writes what a package says that is served already, and leaves its settings as they are.
    pub(super) async fn write_package(&self, name: &str, configuration: &str) -> Result<(), Fault> {
        let manifest = package_manifest(name, configuration, None)?;
        let source = Some(UPLOADED.to_owned());
        let load = Load { source, keeps_settings: true, ..Load::default() };
        let quiet = Self { is_quiet: true, ..self.clone() };
        quiet.write_rows(&manifest, &load).await?;
        quiet.forget_others(name, &manifest).await
    }

    /// Deletes functions and modules that a package had in another version and has no more.
    async fn forget_others(&self, package: &str, manifest: &Manifest) -> Result<(), Fault> {
        let names: Vec<_> = manifest.functions().into_iter().map(|it| it.0).collect();
        let modules = manifest.module_names();
        for module in &modules {
            self.prune(module, &names).await?;
        }
        let query = Query::first(MODULES).only("package_name", Test::Is(package.into()));
        let kept = self.ports.store.list(&tables::MODULES, self.tenant(), &query).await?;
        for module in kept.rows.iter().filter(|row| !modules.contains(&*row.key)) {
            self.prune(&module.key, &[]).await?;
            let change = vec![Change::Delete(module.key.clone())];
            match self.ports.store.write(&tables::MODULES, self.tenant(), change).await {
                // Somebody else was quicker.
                Ok(()) | Err(StoreError::Missing { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    async fn write(&self, manifest: &Manifest, load: &Load) -> Result<Stats, Fault> {
        let quiet = Self { is_quiet: true, ..self.clone() };
        let stats = quiet.write_rows(manifest, load).await;
        // Of what was written before it failed, too.
        self.changed(Area::Settings).await;
        self.changed(Area::Functions).await;
        stats
    }

    async fn write_rows(&self, manifest: &Manifest, load: &Load) -> Result<Stats, Fault> {
        let mut settings = 0;
        // What others refer to comes first: a load that ends halfway leaves nothing that refers to
        // what is not there, and the next one goes on from it.
        for name in manifest.module_names() {
            let (wish, made) = self.module_of(manifest, name, load).await?;
            settings += made;
            let package = wish.package_name.or_else(|| load.package.clone());
            let package_name = Some(package.unwrap_or_else(|| name.to_owned()));
            let source = wish.source.or_else(|| load.source.clone());
            let wish = ModuleWish { package_name, source, ..wish };
            self.put_module(name, wish, Extent::Partly, load.by.clone()).await?;
        }
        for (name, wish) in manifest.functions() {
            self.put_function(&name, wish, Extent::Partly, load.by.clone()).await?;
        }
        Ok(manifest.stats(settings))
    }

    /// An address for a package of this tenant alone: in the older engine packages of one name were
    /// one package for everybody.
    pub(crate) async fn upload(&self, package: &str) -> Result<Upload, Fault> {
        self.access.require(Right::Manage(Area::Functions))?;
        let mut characters = package.chars();
        let is_name = characters.next().is_some_and(|first| first.is_ascii_alphabetic())
            && characters.all(|character| character.is_ascii_alphanumeric() || character == '_')
            && package.len() <= 128;
        if !is_name {
            return Err(Fault::invalid("a package is named by letters, digits and `_`"));
        }
        self.upload_to(format!("{}{package}.zip", self.uploads("packages"))).await
    }

    /// Where the uploads of this tenant are.
    pub(super) fn uploads(&self, directory: &str) -> String {
        // No endpoint and no part has a full stop in it.
        let tenant = self.tenant().as_str().replace('#', ".");
        format!("{directory}/{tenant}/")
    }

    pub(super) async fn upload_to(&self, key: String) -> Result<Upload, Fault> {
        let url = self.ports.blobs.upload_url(&key, UPLOAD).await?;
        let url = url.ok_or_else(|| {
            Fault::Unsupported("the store of large values has no addresses to upload to".to_owned())
        })?;
        Ok(Upload { url, key, expires: Moment::at((self.ports.clock)() + UPLOAD) })
    }

    /// A module of a manifest with the settings of its classes, which are written; how many.
    ///
    /// A class has a setting of its own. In the older engine all classes of a manifest shared one,
    /// where members of the same name overwrote each other.
    async fn module_of(
        &self,
        manifest: &Manifest,
        name: &str,
        load: &Load,
    ) -> Result<(ModuleWish, usize), Fault> {
        let kept = self.ports.store.read(&tables::MODULES, self.tenant(), &[name]).await?.pop();
        let known: BTreeMap<_, _> = kept
            .iter()
            .flat_map(Class::all)
            .filter_map(|class| Some((class.class_name, class.setting_id?)))
            .collect();
        let (mut wish, mut settings) = (ModuleWish::default(), 0);
        let mut classes: Vec<Class> = Vec::new();
        for entry in manifest.modules.iter().filter(|entry| entry.module_name == name) {
            wish.package_name = wish.package_name.or_else(|| entry.package_name.clone());
            wish.source = wish.source.or_else(|| entry.source.clone());
            let setting_id = if entry.setting.is_empty() {
                None
            } else {
                settings += 1;
                let setting = JsonCamelCase(entry.setting(&load.variables).into());
                let known = known.get(&entry.class_name).map(String::as_str);
                match known.filter(|_| load.keeps_settings) {
                    Some(id) => Some(id.to_owned()),
                    None => Some(self.keep_setting(known, setting, load.by.as_deref()).await?),
                }
            };
            classes.push(Class { class_name: entry.class_name.clone(), setting_id });
        }
        wish.classes = Some(classes);
        Ok((wish, settings))
    }

    /// Keeps a setting under the id that it has, or under a new one; the id.
    async fn keep_setting(
        &self,
        id: Option<&str>,
        setting: JsonCamelCase,
        by: Option<&str>,
    ) -> Result<String, Fault> {
        let mut row: Row = SettingWish { setting: Some(setting) }.row(id.unwrap_or_default());
        if let Some(by) = by {
            row = row.with("updated_by", by);
        }
        if id.is_some() {
            match self.update(&tables::SETTINGS, row.clone(), Extent::Partly).await {
                Err(Fault::NotFound { .. }) => {}
                other => return Ok(other?.key),
            }
        }
        Ok(self.insert(&tables::SETTINGS, row).await?.key)
    }
}

/// The manifest in a package, whose modules are all of it.
fn package_manifest(name: &str, text: &str, module: Option<&str>) -> Result<Manifest, Fault> {
    let mut manifest: Value = serde_json::from_str(text)
        .map_err(|error| Fault::Invalid(format!("its manifest is no JSON: {error}")))?;
    for module in manifest["modules"].as_array_mut().into_iter().flatten() {
        module["package_name"] = name.into();
    }
    Manifest::read(manifest, module)
}
