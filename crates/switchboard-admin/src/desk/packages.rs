//! Packages: configurations that are loaded, and addresses to upload to.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Map, Value};
use switchboard_core::Area;
use switchboard_core::store::{Row, tables};

use crate::access::Right;
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

/// What is said where code of packages would have to run.
const NO_PACKAGES: &str =
    "this daemon does not run packages; send their manifest as `mcpConfiguration`";

impl Desk {
    /// Writes the functions, modules and settings of a manifest. Where there is one, it is what is
    /// loaded, whatever else is named.
    pub(crate) async fn load(&self, load: Load) -> Result<Stats, Fault> {
        self.access.require(Right::Manage(Area::Functions))?;
        self.access.require(Right::Manage(Area::Settings))?;
        let Some(manifest) = load.manifest.clone() else {
            return Err(match load.module.or(load.package) {
                Some(_) => Fault::Unsupported(NO_PACKAGES.to_owned()),
                None => Fault::invalid("this needs `mcpConfiguration` or `moduleName`"),
            });
        };
        let manifest = Manifest::read(manifest, load.module.as_deref())?;
        let mut settings = 0;
        // What others refer to comes first: a load that ends halfway leaves nothing that refers to
        // what is not there, and the next one goes on from it.
        for name in manifest.module_names() {
            let (wish, made) = self.module_of(&manifest, name, &load).await?;
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

    /// What a package would bring, were it run.
    pub(crate) fn process(&self) -> Result<Stats, Fault> {
        self.access.require(Right::Manage(Area::Functions))?;
        Err(Fault::Unsupported(NO_PACKAGES.to_owned()))
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
        // No endpoint and no part has a full stop in it.
        let tenant = self.tenant().as_str().replace('#', ".");
        let key = format!("packages/{tenant}/{package}.zip");
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
                Some(self.keep_setting(known, setting, load.by.as_deref()).await?)
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
