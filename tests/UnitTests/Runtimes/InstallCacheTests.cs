using McpCan.Server.Runtimes;

namespace McpCan.UnitTests.Runtimes;

public sealed class InstallCacheTests : IDisposable
{
    private static readonly DateTimeOffset Now = new(2026, 11, 1, 12, 0, 0, TimeSpan.Zero);
    private readonly string _data = Directory.CreateTempSubdirectory("mcpcan-cache-").FullName;
    private InstallCache Cache => InstallCache.Of(_data);

    public void Dispose() => Directory.Delete(_data, recursive: true);

    [Fact]
    public void Unused_GoesWhenItIsOld_AndNotBefore()
    {
        Result("old", days: 31);
        Result("young", days: 29);

        Assert.Equal((1, 1000L), Clean());
        Assert.Equal(["young"], Results);
    }

    [Fact]
    public void TooMuch_TheLongestUnusedGoesFirst_AndWhatIsUsedStays()
    {
        Result("used", days: 20);
        Result("older", days: 10);
        Result("newer", days: 5);
        new WorkloadFolder(Workload()).InstalledFrom = "used";

        Assert.Equal((1, 1000L), Clean(most: 2500));
        Assert.Equal(["newer", "used"], Results);
    }

    [Fact]
    public void TooMuchOfWhatIsUsed_DownloadsGo_ButNotUnderAnInstall()
    {
        Result("used", days: 1);
        new WorkloadFolder(Workload()).InstalledFrom = "used";
        var downloads = Directory.CreateDirectory(Path.Combine(_data, "cache", "npm")).FullName;
        File.WriteAllBytes(Path.Combine(downloads, "tarball"), new byte[500]);

        using (Cache.Installing()) Assert.Equal((0, 0L), Clean(most: 1200));
        Assert.Equal((0, 500L), Clean(most: 1200));
        Assert.False(Directory.Exists(downloads));
        Assert.Equal(["used"], Results);
    }

    [Fact]
    public async Task ResultThatAStartHolds_IsLeftAlone()
    {
        Result("old", days: 99);

        using (await Cache.HoldAsync("old", TestContext.Current.CancellationToken)) Assert.Equal((0, 0L), Clean());
        Assert.Equal((1, 1000L), Clean());
    }

    [Fact]
    public void WorkloadOfAnEarlierVersion_SaysNotWhatItUses_SoNothingGoes()
    {
        Result("old", days: 99);
        File.WriteAllText(new WorkloadFolder(Workload()).ContainerFile, "{}");

        Assert.Equal((0, 0L), Clean());
    }

    [Fact]
    public void BrokenOffInstall_GoesAfterADay()
    {
        var folder = Result("torn", days: 2);
        File.Delete(InstallCache.Mark(folder));
        Directory.SetLastWriteTimeUtc(folder, Now.AddHours(-23).UtcDateTime);
        Assert.Equal(0, Clean().Results);

        Directory.SetLastWriteTimeUtc(folder, Now.AddHours(-25).UtcDateTime);
        Assert.Equal(1, Clean().Results);
    }

    [Fact]
    public void NothingThere_NothingHappens() => Assert.Equal((0, 0L), Clean());

    private string[] Results => [.. Directory.GetDirectories(Path.Combine(_data, "cache", "install")).Select(f => Path.GetFileName(f)).Order()];

    private (int Results, long Bytes) Clean(long most = long.MaxValue) => Cache.Clean(TimeSpan.FromDays(30), most, Now, TestContext.Current.CancellationToken);

    private string Workload() => Directory.CreateDirectory(Path.Combine(_data, "workloads", "i-a")).FullName;

    private string Result(string key, int days)
    {
        var folder = Directory.CreateDirectory(Cache.Result(key)).FullName;
        File.WriteAllBytes(Path.Combine(folder, "code"), new byte[1000]);
        File.WriteAllText(InstallCache.Mark(folder), "");
        File.SetLastWriteTimeUtc(InstallCache.Mark(folder), Now.AddDays(-days).UtcDateTime);
        return folder;
    }
}
