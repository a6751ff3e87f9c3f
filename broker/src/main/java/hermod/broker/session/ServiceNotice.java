package hermod.broker.session;

import hermod.broker.admission.ServiceState;
import hermod.broker.topic.Channel;
import hermod.broker.topic.Channels;
import hermod.protocol.control.ControlCodec;
import hermod.protocol.control.wire.ChannelOff;
import hermod.protocol.control.wire.Service;
import hermod.protocol.frame.FrameHeader;
import hermod.protocol.frame.FrameType;
import io.netty.buffer.ByteBuf;
import io.netty.buffer.ByteBufAllocator;

/** What clients are told of a state of the switches: one message for users who are served and one for the others. Immutable. */
final class ServiceNotice {
    private final ServiceState state;
    private final Service served;
    private final Service unserved;

    ServiceNotice(ServiceState state, Channels channels) {
        this.state = state;
        served = message(state, channels, ServiceState.ALWAYS);
        unserved = message(state, channels, Integer.MAX_VALUE);
    }

    ServiceState state() {
        return state;
    }

    Service of(int percentile) {
        return percentile < state.rolloutPercent() ? served : unserved;
    }

    /** Whether there is something to tell a new connection. */
    static boolean isWorthTelling(Service service) {
        return !service.getEnabled() || service.getChannelsOffCount() > 0 || service.getFeaturesOffCount() > 0;
    }

    static ByteBuf frame(ByteBufAllocator allocator, Service service) {
        return ControlCodec.encode(allocator, FrameType.SERVICE, FrameHeader.FLAG_IGNORE_IF_UNKNOWN, 0, service);
    }

    private static Service message(ServiceState state, Channels channels, int percentile) {
        String off = state.userOff(percentile);
        Service.Builder service = Service.newBuilder().setEnabled(off == null).addAllFeaturesOff(state.featuresOff());
        if (off != null) {
            service.setReason(off);
            for (Channel channel : channels.all()) {
                if (state.channelOff(channel, percentile) == null) {
                    service.addChannelsOn(channel.name());
                }
            }
        }
        state.channelsOff()
                .forEach((name, reason) -> service.addChannelsOff(
                        ChannelOff.newBuilder().setChannel(name).setReason(reason)));
        return service.build();
    }
}
