/**
 * Says yes or no before work is done: who a token stands for, what that user may do, how fast it may publish.
 *
 * <p>Tokens are checked on the authenticator's own thread; rights and rates are asked on a shard and never wait. Read
 * {@link hermod.broker.admission.Authenticator} first.
 */
package hermod.broker.admission;
