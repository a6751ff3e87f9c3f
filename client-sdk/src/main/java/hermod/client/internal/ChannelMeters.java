package hermod.client.internal;

import hermod.client.ChannelStatus;
import hermod.protocol.control.wire.ChannelLatency;
import hermod.protocol.control.wire.Report;
import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.ConcurrentHashMap;
import org.jspecify.annotations.Nullable;

/** The meters of all channels the client has subscribed to; as many as the application names. Any thread. */
final class ChannelMeters {
    /** Keeps a REPORT well below the smallest frame limit: a channel's part has some hundred pairs of a few bytes. */
    private static final int CHANNELS_PER_REPORT = 16;

    private final Map<String, ChannelMeter> byChannel = new ConcurrentHashMap<>();
    private int connectionNumber;

    /** Loop thread only, as is {@link #onConnection}. */
    ChannelMeter of(String channel) {
        return byChannel.computeIfAbsent(channel, name -> new ChannelMeter(connectionNumber));
    }

    void onConnection(int number) {
        connectionNumber = number;
        byChannel.values().forEach(meter -> meter.onConnection(number));
    }

    Map<String, ChannelStatus> status() {
        Map<String, ChannelStatus> status = new TreeMap<>();
        byChannel.forEach((channel, meter) -> status.put(channel, meter.status()));
        return status;
    }

    /** Of at most 16 channels with something new; null for none. */
    @Nullable
    Report takeReport() {
        Report.Builder report = Report.newBuilder();
        for (Map.Entry<String, ChannelMeter> entry : byChannel.entrySet()) {
            ChannelLatency latency = entry.getValue().takeReport(entry.getKey());
            if (latency != null && report.addChannels(latency).getChannelsCount() == CHANNELS_PER_REPORT) {
                break;
            }
        }
        return report.getChannelsCount() == 0 ? null : report.build();
    }
}
