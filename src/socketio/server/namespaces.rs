//! The namespaces of a server: those that were declared, and those that are made when a client asks
//! for one that a rule allows.

use std::collections::HashMap;
use std::fmt;
use std::future::Future;
use std::sync::{Arc, Weak};

use parking_lot::Mutex;
use serde::Serialize;

use super::handler::{BoxFuture, ConnectRequest, SocketData};
use super::namespace::{Namespace, NamespaceBuilder};
use super::socket::EmitError;
use crate::socketio::adapter::{Adapter, Metrics};
use crate::socketio::proto::names::MAX_NAMESPACE_BYTES;
use crate::socketio::proto::parser::Parser;

type Predicate = Box<dyn Fn(&str) -> bool + Send + Sync>;
type Decision = Box<dyn Fn(String, ConnectRequest) -> BoxFuture<bool> + Send + Sync>;

/// Which namespaces may be made when a client asks for them; see
/// [`IoBuilder::dynamic_namespace`](super::io::IoBuilder::dynamic_namespace).
pub struct NamespaceRule {
    label: Box<str>,
    matches: Matches,
}

enum Matches {
    AtOnce(Predicate),
    Asking(Decision),
}

impl NamespaceRule {
    /// Names of this form, in which each `*` stands for one character or more: `/dynamic-*`. The
    /// form is the rule's label.
    pub fn pattern(pattern: &str) -> Self {
        let form: Box<str> = pattern.into();
        Self::matching(pattern, move |name| matches_form(&form, name))
    }

    /// Names that `matches` accepts.
    pub fn matching(label: &str, matches: impl Fn(&str) -> bool + Send + Sync + 'static) -> Self {
        Self {
            label: label.into(),
            matches: Matches::AtOnce(Box::new(matches)),
        }
    }

    /// Names that `decide` accepts for the client that asks.
    pub fn asking<F, R>(label: &str, decide: F) -> Self
    where
        F: Fn(String, ConnectRequest) -> R + Send + Sync + 'static,
        R: Future<Output = bool> + Send + 'static,
    {
        Self {
            label: label.into(),
            matches: Matches::Asking(Box::new(move |name, request| {
                Box::pin(decide(name, request))
            })),
        }
    }

    fn matches_at_once(&self, name: &str) -> bool {
        match &self.matches {
            Matches::AtOnce(matches) => matches(name),
            Matches::Asking(_) => false,
        }
    }
}

impl From<&str> for NamespaceRule {
    /// See [`NamespaceRule::pattern`].
    fn from(pattern: &str) -> Self {
        Self::pattern(pattern)
    }
}

impl fmt::Debug for NamespaceRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("NamespaceRule").field(&self.label).finish()
    }
}

/// Whether `name` has the form; `*` stands for one character or more. Linear but for what follows
/// the last star that matched.
fn matches_form(form: &str, name: &str) -> bool {
    let mut parts = form.split('*');
    let Some(mut rest) = name.strip_prefix(parts.next().unwrap_or_default()) else {
        return false;
    };
    let mut parts = parts.peekable();
    if parts.peek().is_none() {
        return rest.is_empty();
    }
    while let Some(part) = parts.next() {
        // The star takes one character at least.
        let Some(first) = rest.chars().next() else {
            return false;
        };
        let after = &rest[first.len_utf8()..];
        if parts.peek().is_none() {
            return after.ends_with(part);
        }
        let Some(at) = after.find(part) else {
            return false;
        };
        rest = &after[at + part.len()..];
    }
    true
}

/// A rule, and what the namespaces that it allows have in common.
pub(crate) struct Parent {
    pub(crate) rule: NamespaceRule,
    pub(crate) handlers: Arc<NamespaceBuilder>,
}

pub(crate) type AdapterFactory = Box<dyn Fn(&str) -> Box<dyn Adapter> + Send + Sync>;

/// Makes namespaces.
pub(crate) struct Maker {
    pub(crate) parser: Parser,
    pub(crate) states: Arc<SocketData>,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) adapter: AdapterFactory,
}

impl Maker {
    pub(crate) fn make(&self, name: &str, handlers: Arc<NamespaceBuilder>) -> Namespace {
        let mut adapter = (self.adapter)(name);
        if !handlers.on_room_event.is_empty() {
            let (handlers, name) = (Arc::clone(&handlers), Box::<str>::from(name));
            adapter.observe_rooms(Box::new(move |event| {
                let listeners = &handlers.on_room_event;
                listeners.iter().for_each(|tell| tell(&name, event));
            }));
        }
        let states = Arc::clone(&self.states);
        let metrics = Arc::clone(&self.metrics);
        Namespace::new(name, self.parser, states, metrics, handlers, adapter)
    }
}

struct Child {
    namespace: Namespace,
    parent: usize,
    /// Sockets in it, and clients about to be.
    users: usize,
}

type NewNamespace = Box<dyn Fn(Namespace) + Send + Sync>;

pub(crate) struct Namespaces {
    pub(crate) fixed: HashMap<Box<str>, Namespace>,
    pub(crate) parents: Vec<Parent>,
    pub(crate) maker: Maker,
    /// Whether a namespace that was made for a client goes with the last one.
    pub(crate) cleanup: bool,
    pub(crate) max_children: usize,
    pub(crate) on_new: Option<NewNamespace>,
    children: Mutex<HashMap<Box<str>, Child>>,
}

impl Namespaces {
    pub(crate) fn new(
        fixed: HashMap<Box<str>, Namespace>,
        parents: Vec<Parent>,
        maker: Maker,
    ) -> Self {
        Self {
            fixed,
            parents,
            maker,
            cleanup: false,
            max_children: 1000,
            on_new: None,
            children: Mutex::new(HashMap::new()),
        }
    }

    /// A namespace that exists, or that a rule allows at once.
    pub(crate) fn of(&self, name: &str) -> Option<Namespace> {
        if let Some(namespace) = self.fixed.get(name) {
            return Some(namespace.clone());
        }
        if let Some(child) = self.children.lock().get(name) {
            return Some(child.namespace.clone());
        }
        let mut parents = self.parents.iter();
        let parent = parents.position(|parent| parent.rule.matches_at_once(name))?;
        self.child(name, parent, 0)
    }

    /// The namespace that a client asks for; it stays as long as what is given back.
    pub(crate) async fn enter(
        self: &Arc<Self>,
        name: &str,
        request: &ConnectRequest,
    ) -> Option<Stay> {
        if let Some(namespace) = self.fixed.get(name) {
            return Some(Stay::forever(namespace.clone()));
        }
        if let Some(stay) = self.enter_child(name) {
            return Some(stay);
        }
        for (place, parent) in self.parents.iter().enumerate() {
            let allowed = match &parent.rule.matches {
                Matches::AtOnce(matches) => matches(name),
                Matches::Asking(decide) => decide(name.to_owned(), request.clone()).await,
            };
            if allowed {
                let namespace = self.child(name, place, 1)?;
                return Some(self.stay(namespace));
            }
        }
        None
    }

    fn enter_child(self: &Arc<Self>, name: &str) -> Option<Stay> {
        let mut children = self.children.lock();
        let child = children.get_mut(name)?;
        child.users += 1;
        Some(self.stay(child.namespace.clone()))
    }

    fn stay(self: &Arc<Self>, namespace: Namespace) -> Stay {
        let registry = Some(Arc::downgrade(self));
        Stay {
            namespace,
            registry,
        }
    }

    /// The child of this name, made by the first who asks.
    fn child(&self, name: &str, parent: usize, users: usize) -> Option<Namespace> {
        let mut children = self.children.lock();
        if let Some(child) = children.get_mut(name) {
            child.users += users;
            return Some(child.namespace.clone());
        }
        if children.len() >= self.max_children || name.len() > MAX_NAMESPACE_BYTES {
            tracing::warn!(
                limit = self.max_children,
                "too many namespaces; one more is refused"
            );
            return None;
        }
        let handlers = Arc::clone(&self.parents[parent].handlers);
        let namespace = self.maker.make(name, handlers);
        let child = Child {
            namespace: namespace.clone(),
            parent,
            users,
        };
        children.insert(name.into(), child);
        drop(children);
        if let Some(tell) = &self.on_new {
            tell(namespace.clone());
        }
        Some(namespace)
    }

    fn depart(&self, name: &str) {
        let mut children = self.children.lock();
        let Some(child) = children.get_mut(name) else {
            return;
        };
        child.users = child.users.saturating_sub(1);
        if self.cleanup && child.users == 0 {
            let gone = children.remove(name);
            drop(children);
            if let Some(gone) = gone {
                gone.namespace.0.adapter.close();
            }
        }
    }

    fn children_of(&self, parent: usize) -> Vec<Namespace> {
        let children = self.children.lock();
        let of_parent = children.values().filter(|child| child.parent == parent);
        of_parent.map(|child| child.namespace.clone()).collect()
    }

    /// Every namespace that there is.
    pub(crate) fn all(&self) -> Vec<Namespace> {
        let children = self.children.lock();
        let children = children.values().map(|child| &child.namespace);
        self.fixed.values().chain(children).cloned().collect()
    }

    pub(crate) fn parent(self: &Arc<Self>, label: &str) -> Option<ParentNamespace> {
        let mut parents = self.parents.iter();
        let place = parents.position(|parent| *parent.rule.label == *label)?;
        Some(ParentNamespace {
            registry: Arc::clone(self),
            place,
        })
    }
}

/// Keeps a namespace that was made for its sockets while one of them is in it.
pub(crate) struct Stay {
    namespace: Namespace,
    registry: Option<Weak<Namespaces>>,
}

impl Stay {
    pub(crate) fn forever(namespace: Namespace) -> Self {
        Self {
            namespace,
            registry: None,
        }
    }

    pub(crate) fn namespace(&self) -> &Namespace {
        &self.namespace
    }
}

impl Drop for Stay {
    fn drop(&mut self) {
        if let Some(registry) = self.registry.as_ref().and_then(Weak::upgrade) {
            registry.depart(self.namespace.name());
        }
    }
}

/// All namespaces that one rule has allowed so far. Cheap to clone.
#[derive(Clone)]
pub struct ParentNamespace {
    registry: Arc<Namespaces>,
    place: usize,
}

impl ParentNamespace {
    /// The namespaces that exist now, in no order.
    pub fn children(&self) -> Vec<Namespace> {
        self.registry.children_of(self.place)
    }

    /// Emits to everybody in each of them.
    ///
    /// # Errors
    /// The value cannot be encoded.
    pub fn emit<T: Serialize + ?Sized>(&self, event: &str, data: &T) -> Result<(), EmitError> {
        let children = self.children();
        children
            .iter()
            .try_for_each(|child| child.emit(event, data))
    }
}

impl fmt::Debug for ParentNamespace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rule = &self.registry.parents[self.place].rule;
        f.debug_tuple("ParentNamespace").field(&rule.label).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stands_for_one_character_or_more() {
        for (form, name, fits) in [
            ("/a", "/a", true),
            ("/a", "/ab", false),
            ("/dynamic-*", "/dynamic-101", true),
            ("/dynamic-*", "/dynamic-", false),
            ("/dynamic-*", "/other", false),
            ("/*/room-*", "/a/room-é", true),
            ("/*/room-*", "/a/room-", false),
            ("/*x", "/xx", true),
            ("/*x", "/x", false),
            ("/*-*-z", "/a-b-c-z", true),
            ("*", "/", true),
        ] {
            assert_eq!(matches_form(form, name), fits, "{form} {name}");
        }
    }
}
