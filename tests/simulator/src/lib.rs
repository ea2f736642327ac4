//! Both remotes, simulated: Amazon's Selling Partner API and Oracle Fusion.
