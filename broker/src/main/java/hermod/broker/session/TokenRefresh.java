package hermod.broker.session;

import hermod.broker.admission.Identity;
import hermod.broker.admission.Verdict;
import hermod.broker.dispatch.Dispatch;
import hermod.broker.shard.RunsOn;
import hermod.broker.shard.RunsOn.Owner;
import hermod.protocol.CloseCode;
import hermod.protocol.ErrorCode;

/** The taking of new tokens for a connection that is open. The session's shard's; the authenticator answers from elsewhere. REFRESHED is given to the outbox. A second REFRESH while one is under way is refused. */
@RunsOn(Owner.SHARD)
final class TokenRefresh {
    private final Session session;
    private final SessionGround ground;
    private final Dispatch dispatch;
    private final Client client;
    private final Answers answers;
    private boolean isRefreshing;

    TokenRefresh(Session session, Client client, Answers answers) {
        this.session = session;
        this.ground = session.ground();
        this.dispatch = session.dispatch();
        this.client = client;
        this.answers = answers;
    }

    /** Takes a new token for the same user and org. */
    void refresh(int requestId, String token) {
        if (isRefreshing) {
            answers.error(requestId, ErrorCode.BAD_REQUEST, "a refresh is under way already");
            return;
        }
        isRefreshing = true;
        ground.authenticator()
                .authenticate(token, verdict -> dispatch.shard().execute(() -> onRefreshVerdict(requestId, verdict)));
    }

    private void onRefreshVerdict(int requestId, Verdict verdict) {
        isRefreshing = false;
        Identity before = client.identity();
        if (!session.isOpen() || before == null) {
            return;
        }
        if (verdict instanceof Verdict.Accepted accepted
                && accepted.identity().user().equals(before.user())
                && accepted.identity().org().equals(before.org())) {
            client.renew(accepted.identity());
            session.applyRights(accepted.identity());
            answers.answer(Welcoming.refreshed(ground.allocator(), requestId, accepted.identity()));
        } else {
            refuseRefresh(requestId, verdict);
        }
        dispatch.shard().requestTurn();
    }

    private void refuseRefresh(int requestId, Verdict verdict) {
        if (verdict instanceof Verdict.Refused refused) {
            boolean isPassing = refused.code() == CloseCode.OVERLOADED || refused.code() == CloseCode.GOING_AWAY;
            answers.error(requestId, isPassing ? ErrorCode.UNAVAILABLE : ErrorCode.TOKEN_REJECTED, refused.reason());
        } else {
            answers.error(requestId, ErrorCode.TOKEN_REJECTED, "the token is for another user or org");
        }
    }
}
