import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.BufferedReader;
import java.io.File;
import java.io.InputStreamReader;
import java.nio.ByteBuffer;
import java.time.Duration;
import java.util.BitSet;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.NewPartitionReassignment;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.record.internal.FileRecords;
import org.apache.kafka.common.record.internal.Record;
import org.apache.kafka.common.record.internal.RecordBatch;
import org.apache.kafka.common.serialization.StringDeserializer;
import org.apache.kafka.common.serialization.StringSerializer;

/**
 * Kafka's own Java code as a second opinion on record batches, run from its source beside the broker's jars:
 * "produce BROKERS TOPIC CODEC…" writes the records of standard input, one JSON line each, once with each codec;
 * "sequences BROKERS TOPIC [HEADER]" reads what is committed and counts, over values {"key", "n"} that number each key's records from 1,
 * what is lost, double and out of order, and looks for n in the header; "move BROKERS TOPIC BROKER" gives all partitions
 * to one broker and waits until it has them; "dump FILE…" prints the records of a broker's log files with the codec of their batches, checksums verified.
 */
public class Records {
  private static final ObjectMapper JSON = new ObjectMapper();

  public static void main(String[] args) throws Exception {
    List<String> rest = List.of(args).subList(1, args.length);
    if (args[0].equals("produce")) produce(rest.get(0), rest.get(1), rest.subList(2, rest.size()));
    else if (args[0].equals("sequences")) sequences(rest.get(0), rest.get(1), rest.size() > 2 ? rest.get(2) : null);
    else if (args[0].equals("move")) move(rest.get(0), rest.get(1), Integer.parseInt(rest.get(2)));
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
          for (JsonNode header : node.path("headerList")) record.headers().add(header.get(0).textValue(), header.get(1).textValue().getBytes());
          producer.send(record);
        }
      }
    }
  }

  private static void sequences(String brokers, String topic, String header) throws Exception {
    Map<String, Object> config = Map.of("bootstrap.servers", brokers, "isolation.level", "read_committed", "auto.offset.reset", "earliest");
    Map<String, BitSet> seen = new HashMap<>();
    Map<String, Integer> last = new HashMap<>();
    long records = 0, duplicated = 0, outOfOrder = 0, lost = 0;
    try (var consumer = new KafkaConsumer<>(config, new StringDeserializer(), new StringDeserializer())) {
      var partitions = consumer.partitionsFor(topic).stream().map(p -> new TopicPartition(topic, p.partition())).toList();
      consumer.assign(partitions);
      consumer.seekToBeginning(partitions);
      var ends = consumer.endOffsets(partitions);
      while (partitions.stream().anyMatch(p -> consumer.position(p) < ends.get(p))) {
        for (var record : consumer.poll(Duration.ofSeconds(1))) {
          JsonNode value = JSON.readTree(record.value());
          String key = value.get("key").asText();
          int n = value.get("n").intValue();
          records++;
          if (!key.equals(record.key())) throw new IllegalStateException("key " + record.key() + " of " + record.value());
          if (header != null && !new String(record.headers().lastHeader(header).value()).equals(String.valueOf(n))) throw new IllegalStateException("headers of " + record.value());
          if (seen.computeIfAbsent(key, k -> new BitSet()).get(n)) duplicated++;
          seen.get(key).set(n);
          if (n < last.getOrDefault(key, -1)) outOfOrder++;
          last.put(key, n);
        }
      }
    }
    for (BitSet numbers : seen.values()) lost += numbers.length() - 1 - numbers.cardinality();
    ObjectNode result = JSON.createObjectNode();
    result.put("records", records).put("keys", seen.size()).put("lost", lost).put("duplicated", duplicated).put("outOfOrder", outOfOrder);
    System.out.println(result);
  }

  private static void move(String brokers, String topic, int to) throws Exception {
    try (var admin = Admin.create(Map.of("bootstrap.servers", brokers))) {
      Map<TopicPartition, Optional<NewPartitionReassignment>> moves = new HashMap<>();
      for (var p : admin.describeTopics(List.of(topic)).allTopicNames().get().get(topic).partitions())
        moves.put(new TopicPartition(topic, p.partition()), Optional.of(new NewPartitionReassignment(List.of(to))));
      admin.alterPartitionReassignments(moves).all().get();
      while (!admin.listPartitionReassignments(moves.keySet()).reassignments().get().isEmpty()) Thread.sleep(100);
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
