/**
 * Reads the configuration: YAML and command line flags bound onto a tree of records, each kept beside the code it steers.
 *
 * <p>Ground package: it uses nothing of ours, and every package may use it. It runs once, on the starting thread, before any other thread exists. Read
 * {@link hermod.broker.config.ConfigReader} first.
 */
package hermod.broker.config;
