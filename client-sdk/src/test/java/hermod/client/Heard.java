package hermod.client;

import java.util.concurrent.BlockingQueue;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;

/** A listener that keeps all it is told, as text. */
final class Heard implements EventListener {
    final BlockingQueue<String> all = new LinkedBlockingQueue<>();

    @Override
    public void onEvent(Event event) {
        all.add(event.offset() + " " + event.text());
    }

    @Override
    public void onGap(Gap gap) {
        String fill = gap.isFillComing() ? ", to be filled" : "";
        all.add("gap " + gap.fromOffset() + ".." + gap.toOffset() + " " + gap.reason() + fill);
    }

    @Override
    public void onGapClosed(String topic, long fromOffset, long toOffset) {
        all.add("closed " + fromOffset + ".." + toOffset);
    }

    @Override
    public void onFreshStart(String topic, int epoch, long firstOffset) {
        all.add("fresh start " + epoch + " " + firstOffset);
    }

    @Override
    public void onEnded(String topic, HermodException why) {
        all.add("ended " + why.code());
    }

    String next() throws InterruptedException {
        return all.poll(60, TimeUnit.SECONDS);
    }
}
