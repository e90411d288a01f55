using System.Text.Json;
using McpCan.Tests;

namespace McpCan.FunctionalTests;

public sealed class OpenApiTests(SqliteApp app) : IClassFixture<SqliteApp>
{
    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task CommittedDescription_IsCurrent()
    {
        var now = (await app.Nobody.GetStringAsync("openapi/v1.json", Cancel)).ReplaceLineEndings("\n").TrimEnd() + "\n";
        var file = Path.Combine(Root(), "docs", "reference", "openapi.json");
        if (Environment.GetEnvironmentVariable("MCPCAN_WRITE_OPENAPI") == "1")
        {
            Directory.CreateDirectory(Path.GetDirectoryName(file)!);
            await File.WriteAllTextAsync(file, now, Cancel);
        }
        Assert.True(File.Exists(file) && await File.ReadAllTextAsync(file, Cancel) == now, "docs/reference/openapi.json is not what the server says. Run script/openapi and read the difference.");
    }

    [Fact]
    public async Task Operations_AreNamedAndDescribed()
    {
        foreach (var operation in await ApiOperation.AllAsync(app, Cancel))
        {
            Assert.True(operation.Description.TryGetProperty("summary", out _), $"{operation} has no summary");
            Assert.True(operation.Description.TryGetProperty("operationId", out _), $"{operation} has no name");
            Assert.True(operation.Description.TryGetProperty("tags", out _), $"{operation} has no tag");
        }
        var names = (await ApiOperation.AllAsync(app, Cancel)).Select(o => o.Description.GetProperty("operationId").GetString()).ToList();
        Assert.Equal(names.Count, names.Distinct().Count());
    }

    [Fact]
    public async Task ReferencePage_LoadsNothingFromElsewhere()
    {
        var page = await app.Viewer.GetStringAsync("reference/", Cancel);

        Assert.DoesNotContain("http://", page, StringComparison.Ordinal);
        Assert.DoesNotContain("https://", page, StringComparison.Ordinal);
        Assert.True((await app.Viewer.GetByteArrayAsync("reference/scalar.js", Cancel)).Length > 100_000);
    }

    private static string Root()
    {
        var folder = new DirectoryInfo(AppContext.BaseDirectory);
        while (!File.Exists(Path.Combine(folder.FullName, "McpCan.slnx"))) folder = folder.Parent!;
        return folder.FullName;
    }
}
