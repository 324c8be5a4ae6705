//! [`Opener`]: how a connection to the server is opened, by the redis crate or with a TLS handshake of our own.
//!
//! The redis crate takes no provider of cryptography: it asks for the process' default, and without one lets rustls
//! choose and install one, or panic. What must stay true: connections of locks never set that default, and nothing
//! panics for want of one. Absent on purpose: the handshake itself (`tls`).

use std::time::Duration;

use ::redis::aio::{MultiplexedConnection, PubSub};
use ::redis::{AsyncConnectionConfig, Client, RedisError};

#[cfg(feature = "tls-no-provider")]
use super::tls::{self, Roots};
use crate::store::StoreError;
use crate::store::redis::node::task::Task;
use crate::store::redis::settings::{RedisSettings, Unusable};

/// How connections are opened.
pub(crate) enum Opener {
    /// By the redis crate.
    Redis,
    /// By the redis crate, with TLS: a user's own client may hold certificates, which it does not give away.
    #[cfg(feature = "tls-no-provider")]
    RedisTls,
    /// With TLS of our own.
    #[cfg(feature = "tls-no-provider")]
    Tls(Roots),
}

#[cfg(feature = "tls-no-provider")]
impl Opener {
    /// For a client that was made from a URL.
    pub(crate) fn at_url(client: &Client, settings: &RedisSettings) -> Result<Self, Unusable> {
        if !tls::is_spoken(client) {
            return Ok(Self::Redis);
        }
        Ok(Self::Tls(settings.root_certificates.as_deref().map_or_else(|| Ok(tls::mozillas()), tls::trusted)?))
    }

    /// For a user's own client.
    pub(crate) fn of_client(client: &Client) -> Self {
        if tls::is_spoken(client) { Self::RedisTls } else { Self::Redis }
    }

    /// Refuses where a handshake would want a provider of cryptography, and there is none.
    pub(crate) fn is_ready(&self) -> Result<(), StoreError> {
        match self {
            Self::Redis => Ok(()),
            Self::RedisTls => tls::default_provider().map(drop),
            Self::Tls(_) => tls::provider().map(drop),
        }
    }

    /// A connection, and the task that reads and writes it unless it has one of its own.
    pub(crate) async fn connection(
        &self,
        client: &Client,
        config: &AsyncConnectionConfig,
        at_most: Duration,
    ) -> Result<(MultiplexedConnection, Option<Task>), RedisError> {
        let Self::Tls(roots) = self else {
            return Ok((client.get_multiplexed_async_connection_with_config(config).await?, None));
        };
        let opening = async {
            let stream = tls::open(client.get_connection_info(), roots).await?;
            let redis = client.get_connection_info().redis_settings();
            MultiplexedConnection::new_with_config(redis, stream, config.clone()).await
        };
        let opened = tokio::time::timeout(at_most, opening).await;
        let (connection, work) = opened.map_err(|_| std::io::Error::from(std::io::ErrorKind::TimedOut))??;
        Ok((connection, Some(Task::spawn(work))))
    }

    /// A connection for messages.
    pub(crate) async fn pubsub(&self, client: &Client) -> Result<PubSub, RedisError> {
        let Self::Tls(roots) = self else { return client.get_async_pubsub().await };
        let stream = tls::open(client.get_connection_info(), roots).await?;
        PubSub::new(client.get_connection_info().redis_settings(), stream).await
    }
}

#[cfg(not(feature = "tls-no-provider"))]
#[allow(clippy::unused_self, clippy::unnecessary_wraps)] // As it is with TLS.
impl Opener {
    pub(crate) fn at_url(_: &Client, _: &RedisSettings) -> Result<Self, Unusable> {
        Ok(Self::Redis)
    }

    pub(crate) fn of_client(_: &Client) -> Self {
        Self::Redis
    }

    pub(crate) fn is_ready(&self) -> Result<(), StoreError> {
        Ok(())
    }

    pub(crate) async fn connection(
        &self,
        client: &Client,
        config: &AsyncConnectionConfig,
        _: Duration,
    ) -> Result<(MultiplexedConnection, Option<Task>), RedisError> {
        Ok((client.get_multiplexed_async_connection_with_config(config).await?, None))
    }

    pub(crate) async fn pubsub(&self, client: &Client) -> Result<PubSub, RedisError> {
        client.get_async_pubsub().await
    }
}
