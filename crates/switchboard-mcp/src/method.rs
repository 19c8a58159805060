//! Method names.

use std::fmt;

macro_rules! methods {
    ($($variant:ident = $name:literal),+ $(,)?) => {
        /// The method of a request or notification.
        ///
        /// Known names are variants so that a decision about a method is a `match`; any other name
        /// is kept as it came, because a method we do not know may still belong to an upstream.
        #[derive(Clone, Debug, Eq, Hash, PartialEq)]
        pub enum Method { $($variant,)+ Other(Box<str>) }

        impl Method {
            pub fn as_str(&self) -> &str {
                match self { $(Self::$variant => $name,)+ Self::Other(name) => name }
            }
        }

        impl From<&str> for Method {
            fn from(name: &str) -> Self {
                match name { $($name => Self::$variant,)+ other => Self::Other(other.into()) }
            }
        }
    };
}

methods! {
    Initialize = "initialize",
    Initialized = "notifications/initialized",
    Discover = "server/discover",
    Ping = "ping",
    SetLevel = "logging/setLevel",
    ToolsList = "tools/list",
    ToolsCall = "tools/call",
    PromptsList = "prompts/list",
    PromptsGet = "prompts/get",
    ResourcesList = "resources/list",
    TemplatesList = "resources/templates/list",
    ResourcesRead = "resources/read",
    Subscribe = "resources/subscribe",
    Unsubscribe = "resources/unsubscribe",
    Listen = "subscriptions/listen",
    Complete = "completion/complete",
    CreateMessage = "sampling/createMessage",
    Elicit = "elicitation/create",
    RootsList = "roots/list",
    Cancelled = "notifications/cancelled",
    Progress = "notifications/progress",
    LogMessage = "notifications/message",
    ToolsChanged = "notifications/tools/list_changed",
    PromptsChanged = "notifications/prompts/list_changed",
    ResourcesChanged = "notifications/resources/list_changed",
    ResourceUpdated = "notifications/resources/updated",
    RootsChanged = "notifications/roots/list_changed",
    Acknowledged = "notifications/subscriptions/acknowledged",
    ElicitationComplete = "notifications/elicitation/complete",
    TasksGet = "tasks/get",
    TasksList = "tasks/list",
    TasksResult = "tasks/result",
    TasksCancel = "tasks/cancel",
    TasksUpdate = "tasks/update",
    TaskChanged = "notifications/tasks",
    TaskStatus = "notifications/tasks/status",
    SkillsList = "skills/list",
    SkillsGet = "skills/get",
    DirectoryRead = "resources/directory/read",
}

impl Method {
    /// The member of `params` that says what the request is about, if it has one.
    pub fn subject(&self) -> Option<&'static str> {
        match self {
            Self::ToolsCall | Self::PromptsGet => Some("name"),
            Self::ResourcesRead
            | Self::Subscribe
            | Self::Unsubscribe
            | Self::SkillsGet
            | Self::DirectoryRead => Some("uri"),
            Self::TasksGet | Self::TasksResult | Self::TasksCancel | Self::TasksUpdate => {
                Some("taskId")
            }
            _ => None,
        }
    }

    /// The member of `params` that the header `Mcp-Name` repeats (2026-07-28, "Streamable HTTP",
    /// and the tasks extension). Not every subject has the header: skills do not define it.
    pub fn mirrored(&self) -> Option<&'static str> {
        match self {
            Self::ToolsCall
            | Self::PromptsGet
            | Self::ResourcesRead
            | Self::TasksGet
            | Self::TasksUpdate
            | Self::TasksCancel => self.subject(),
            _ => None,
        }
    }

    /// Whether asking twice has the effect of asking once, so that a request that may or may not
    /// have been carried out can be sent again.
    pub fn is_idempotent(&self) -> bool {
        matches!(
            self,
            Self::ToolsList
                | Self::PromptsList
                | Self::PromptsGet
                | Self::ResourcesList
                | Self::TemplatesList
                | Self::ResourcesRead
                | Self::Complete
                | Self::Ping
                | Self::Discover
                | Self::TasksGet
                | Self::TasksList
                | Self::TasksResult
                | Self::SkillsList
                | Self::SkillsGet
                | Self::DirectoryRead
        )
    }
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::Method;

    /// What the method is about, and whether a header says it too.
    #[track_caller]
    fn check(name: &str, subject: Option<&str>, mirrored: bool) {
        let method = Method::from(name);
        assert_eq!(method.as_str(), name);
        assert!(!matches!(method, Method::Other(_)), "{name}");
        assert_eq!(method.subject(), subject, "{name}");
        assert_eq!(method.mirrored(), subject.filter(|_| mirrored), "{name}");
    }

    #[test]
    fn methods_say_what_they_are_about() {
        check("tools/call", Some("name"), true);
        check("prompts/get", Some("name"), true);
        check("resources/read", Some("uri"), true);
        check("resources/subscribe", Some("uri"), false);
        check("tasks/get", Some("taskId"), true);
        check("tasks/update", Some("taskId"), true);
        check("tasks/cancel", Some("taskId"), true);
        check("tasks/result", Some("taskId"), false);
        check("tasks/list", None, false);
        check("skills/list", None, false);
        check("skills/get", Some("uri"), false);
        check("resources/directory/read", Some("uri"), false);
        for notification in ["tasks", "tasks/status", "elicitation/complete"] {
            check(&format!("notifications/{notification}"), None, false);
        }
    }

    #[test]
    fn another_name_is_kept() {
        assert_eq!(Method::from("x/Y").as_str(), "x/Y");
        assert_eq!(Method::from("Tools/call"), Method::Other("Tools/call".into()));
    }
}
