import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.BufferedReader;
import java.io.File;
import java.io.InputStreamReader;
import java.nio.ByteBuffer;
import java.util.List;
import java.util.Map;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.record.internal.FileRecords;
import org.apache.kafka.common.record.internal.Record;
import org.apache.kafka.common.record.internal.RecordBatch;
import org.apache.kafka.common.serialization.StringSerializer;

/**
 * Kafka's own Java code as a second opinion on record batches, run from its source beside the broker's jars:
 * "produce BROKERS TOPIC CODEC…" writes the records of standard input, one JSON line each, once with each codec;
 * "dump FILE…" prints the records of a broker's log files with the codec of their batches, checksums verified.
 */
public class Records {
  private static final ObjectMapper JSON = new ObjectMapper();

  public static void main(String[] args) throws Exception {
    List<String> rest = List.of(args).subList(1, args.length);
    if (args[0].equals("produce")) produce(rest.get(0), rest.get(1), rest.subList(2, rest.size()));
    else for (String file : rest) dump(new File(file));
  }

  private static void produce(String brokers, String topic, List<String> codecs) throws Exception {
    List<String> lines = new BufferedReader(new InputStreamReader(System.in)).lines().toList();
    for (String codec : codecs) {
      Map<String, Object> config = Map.of("bootstrap.servers", brokers, "compression.type", codec, "linger.ms", 500, "batch.size", 400_000);
      try (var producer = new KafkaProducer<>(config, new StringSerializer(), new StringSerializer())) {
        for (String line : lines) {
          JsonNode node = JSON.readTree(line);
          var record = new ProducerRecord<>(topic, null, node.get("timestamp").asLong(), node.get("key").textValue(), node.get("value").textValue());
          record.headers().add("codec", codec.getBytes());
          producer.send(record);
        }
      }
    }
  }

  private static void dump(File file) throws Exception {
    try (FileRecords records = FileRecords.open(file, false)) {
      for (RecordBatch batch : records.batches()) {
        batch.ensureValid();
        for (Record record : batch) {
          ObjectNode node = JSON.createObjectNode();
          node.put("codec", batch.compressionType().name);
          node.put("offset", record.offset());
          node.put("timestamp", record.timestamp());
          node.put("key", text(record.key()));
          node.put("value", text(record.value()));
          System.out.println(node);
        }
      }
    }
  }

  private static String text(ByteBuffer bytes) {
    return bytes == null ? null : new String(org.apache.kafka.common.utils.Utils.toArray(bytes), java.nio.charset.StandardCharsets.UTF_8);
  }
}
