import java.io.File;
import java.net.URI;
import java.util.ArrayList;
import java.util.List;
import org.apache.hadoop.conf.Configuration;
import org.apache.hadoop.fs.http.server.HttpFSServerWebServer;
import org.apache.hadoop.hdfs.HdfsConfiguration;
import org.apache.hadoop.hdfs.server.datanode.DataNode;
import org.apache.hadoop.hdfs.server.namenode.NameNode;
import org.apache.hadoop.metrics2.lib.DefaultMetricsSystem;
import org.apache.hadoop.service.AbstractService;
import org.apache.hadoop.yarn.conf.YarnConfiguration;
import org.apache.hadoop.yarn.server.nodemanager.NodeManager;
import org.apache.hadoop.yarn.server.resourcemanager.ResourceManager;
import org.apache.hadoop.yarn.server.resourcemanager.security.DelegationTokenRenewer;
import org.apache.zookeeper.server.quorum.QuorumPeerMain;

/**
 * The daemons named by the arguments, started side by side in this JVM: zookeeper=zoo.cfg, namenode, datanode,
 * resourcemanager or resourcemanager=ID, nodemanager, httpfs. It lives as long as its standard input: whoever started
 * it may die in any way and leaves no daemon behind.
 *
 * <p>A NodeManager needs a JVM of its own: the web applications of Guice share a static, and the last one wins
 * (real-hadoop.md 4.1).
 */
public final class Daemons {
  private interface Start {
    void run() throws Exception;
  }

  /**
   * Where security is on, a thread spins in each ResourceManager from 3.3 on, and takes a quarter of a core: it looks for
   * renewals of tokens that take too long, which no test has.
   */
  private static final class CalmResourceManager extends ResourceManager {
    @Override
    protected DelegationTokenRenewer createDelegationTokenRenewer() {
      DelegationTokenRenewer renewer = super.createDelegationTokenRenewer();
      try {
        renewer.getClass().getMethod("setDelegationTokenRenewerPoolTracker", boolean.class).invoke(renewer, false);
      } catch (NoSuchMethodException older) {
        // Before 3.3 there is no such thread.
      } catch (ReflectiveOperationException broken) {
        throw new IllegalStateException(broken);
      }
      return renewer;
    }
  }

  private static NodeManager nodeManager;

  private Daemons() {}

  public static void main(String[] names) throws Exception {
    DefaultMetricsSystem.setMiniClusterMode(true);
    List<Thread> first = new ArrayList<>();
    List<Thread> then = new ArrayList<>();
    List<Thread> last = new ArrayList<>();
    for (String each : names) {
      String name = each.split("=", 2)[0];
      String told = each.contains("=") ? each.split("=", 2)[1] : "";
      switch (name) {
        case "zookeeper" -> background(() -> QuorumPeerMain.main(new String[] {told}));
        case "namenode" -> first.add(thread(name, Daemons::nameNode));
        case "resourcemanager" -> first.add(thread(name, () -> resourceManager(told)));
        case "datanode" -> then.add(thread(name, () -> DataNode.createDataNode(new String[0], new HdfsConfiguration())));
        case "nodemanager" -> then.add(thread(name, Daemons::nodeManager));
        // Its proxy users replace those of whatever shares the JVM, so it comes last.
        case "httpfs" -> last.add(thread(name, () -> HttpFSServerWebServer.main(new String[0])));
        default -> throw new IllegalArgumentException("no daemon " + name);
      }
    }
    for (List<Thread> stage : List.of(first, then)) {
      stage.forEach(Thread::start);
      for (Thread each : stage) {
        each.join();
      }
    }
    // Its start returns when it ends.
    last.forEach(Thread::start);
    while (System.in.read() >= 0) {}
    // It takes its containers with it; the others have nothing to leave in order.
    if (nodeManager != null) {
      nodeManager.stop();
    }
    Runtime.getRuntime().halt(0);
  }

  private static void nameNode() throws Exception {
    Configuration configuration = new HdfsConfiguration();
    File directory = new File(new URI(configuration.get("dfs.namenode.name.dir")).getPath());
    if (!new File(directory, "current").exists()) {
      NameNode.format(configuration);
    }
    NameNode.createNameNode(new String[0], configuration);
  }

  private static void resourceManager(String id) {
    Configuration configuration = new YarnConfiguration();
    if (!id.isEmpty()) {
      configuration.set(YarnConfiguration.RM_HA_ID, id);
    }
    begin(new CalmResourceManager(), configuration);
  }

  private static void nodeManager() {
    nodeManager = new NodeManager();
    begin(nodeManager, new YarnConfiguration());
  }

  private static void begin(AbstractService service, Configuration configuration) {
    service.init(configuration);
    service.start();
  }

  private static void background(Start start) {
    Thread thread = thread("background", start);
    thread.setDaemon(true);
    thread.start();
  }

  private static Thread thread(String name, Start start) {
    return new Thread(
        () -> {
          try {
            start.run();
          } catch (Throwable broken) {
            broken.printStackTrace();
            Runtime.getRuntime().halt(1);
          }
        },
        name);
  }
}
