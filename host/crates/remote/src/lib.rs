//! The one HTTP client, clocks, rate limits, token cache and the credential vault.
