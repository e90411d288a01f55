using McpCan.Server.Instances;
using McpCan.Server.Packages;
using McpCan.Server.Runtimes;

namespace McpCan.UnitTests.Instances;

public sealed class WorkloadPlannerTests
{
    private static readonly Dictionary<string, string?> Tools = new() { ["node"] = "22.1.0", ["npm"] = "10.0.0", ["python3"] = "3.11.2" };
    private static readonly Dictionary<string, string> NoEnvironment = [];

    [Fact]
    public void Plan_OfACommand_HandsItOverUntouched()
    {
        var instance = New(new CommandSource("my-server", ["a b", "$(id)", "--x=;rm"], "work"));

        var spec = WorkloadPlanner.Plan(instance, null, new Dictionary<string, string> { ["A"] = "1" }, IsolationLevel.Landlock, Tools);

        Assert.Equal(["my-server", "a b", "$(id)", "--x=;rm"], spec.Command);
        Assert.Null(spec.Install);
        Assert.Equal("work", spec.WorkingDirectory);
        Assert.Equal("1", spec.Environment["A"]);
        Assert.Equal((instance.Id, 7L, "shared"), (spec.InstanceId, spec.Generation, spec.Processes));
    }

    [Fact]
    public void Plan_OfNpx_InstallsFirst_AndAnewWithAnotherNode()
    {
        var instance = New(new CommandSource("npx", ["-y", "some-server@1.2.3", "--flag"]));

        var one = WorkloadPlanner.Plan(instance, null, NoEnvironment, IsolationLevel.Landlock, Tools);
        var same = WorkloadPlanner.Plan(instance, null, NoEnvironment, IsolationLevel.Landlock, Tools);
        var other = WorkloadPlanner.Plan(instance, null, NoEnvironment, IsolationLevel.Landlock, new Dictionary<string, string?>(Tools) { ["node"] = "24.0.0" });

        Assert.Equal("npx", one.Install!.Kind);
        Assert.Equal("--flag", one.Command[^1]);
        Assert.Equal(one.Install.CacheKey, same.Install!.CacheKey);
        Assert.NotEqual(one.Install.CacheKey, other.Install!.CacheKey);
    }

    [Fact]
    public void Plan_OfAPackage_TakesWhatWasDetected()
    {
        var spec = WorkloadPlanner.Plan(New(new PackageCodeSource("p-1")), (Version(["npm", "ci"], ["node", "index.js"]), "/a.zip"), NoEnvironment, IsolationLevel.Landlock, Tools);

        Assert.Equal(["node", "index.js"], spec.Command);
        Assert.Equal("npm", spec.Install!.Kind);
        Assert.Equal("top", spec.WorkingDirectory);
        Assert.Equal(new PackageSource("/a.zip", "abc", "a.zip"), spec.Package);
    }

    [Fact]
    public void Plan_OfAPackage_CanBeOverridden()
    {
        var spec = WorkloadPlanner.Plan(New(new PackageCodeSource("p-1", null, [], ["python3", "other.py"])), (Version(["npm", "ci"], null), "/a.zip"), NoEnvironment, IsolationLevel.Landlock, Tools);

        Assert.Equal(["python3", "other.py"], spec.Command);
        Assert.Null(spec.Install);
    }

    [Theory]
    [InlineData(null, IsolationLevel.Landlock, IsolationLevel.Landlock)]
    [InlineData(IsolationLevel.Sandbox, IsolationLevel.Landlock, IsolationLevel.Sandbox)]
    [InlineData(IsolationLevel.None, IsolationLevel.Landlock, IsolationLevel.Landlock)]
    public void Plan_AnInstanceCanOnlyAskForMoreIsolation(IsolationLevel? own, IsolationLevel platform, IsolationLevel expected)
    {
        var instance = New(new CommandSource("x"));
        instance.MinimumIsolation = own;

        Assert.Equal(expected, WorkloadPlanner.Plan(instance, null, NoEnvironment, platform, Tools).MinimumIsolation);
    }

    private static Instance New(InstanceSource source) => new() { Id = "i-1", Name = "n", Slug = "n", Mode = "managed", Source = source, Generation = 7, Processes = "shared" };

    private static PackageVersion Version(string[]? install, string[]? start) =>
        new() { PackageId = "p-1", Version = 1, FileName = "a.zip", Sha256 = "abc", Detected = new DetectedProject("node", "top", install, start, [], []) };
}
