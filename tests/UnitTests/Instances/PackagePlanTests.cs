using McpCan.Server.Instances;
using McpCan.Server.Packages;
using McpCan.Server.Runtimes;

namespace McpCan.UnitTests.Instances;

public sealed class PackagePlanTests
{
    private static InstallStep? Install(string[]? detected, string[]? build, string[]? own = null) => WorkloadPlanner.Plan(
        new Instance { Id = "i-1", Name = "a", Slug = "a", Mode = "managed", Source = new PackageCodeSource("p-1", Install: own) },
        (new PackageVersion
        {
            PackageId = "p-1",
            Version = 1,
            FileName = "a.zip",
            Sha256 = "00",
            Detected = new DetectedProject("node", "", detected, ["node", "dist/i.js"], [], [], build),
        }, "/archive"),
        new Dictionary<string, string>(), IsolationLevel.None, new Dictionary<string, string?>()).Install;

    [Fact]
    public void DetectedBuild_RunsAfterTheInstall() =>
        Assert.Equal([["npm", "ci"], ["npm", "run", "build"]], Install(["npm", "ci"], ["npm", "run", "build"])!.Commands);

    [Fact]
    public void DetectedBuildWithoutInstall_Runs() => Assert.Equal([["npm", "run", "build"]], Install(null, ["npm", "run", "build"])!.Commands);

    [Fact]
    public void OwnInstall_StandsForAllOfIt()
    {
        Assert.Equal([["make"]], Install(["npm", "ci"], ["npm", "run", "build"], ["make"])!.Commands);
        Assert.Null(Install(["npm", "ci"], ["npm", "run", "build"], []));
    }
}
