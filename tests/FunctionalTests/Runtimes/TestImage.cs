using System.Formats.Tar;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using Docker.DotNet;
using Docker.DotNet.Models;

namespace McpCan.FunctionalTests.Runtimes;

/// <summary>An image with a server of a few lines and a shell, and no C library; the engine forgets it at the end.</summary>
internal sealed class TestImage : IAsyncDisposable
{
    private const string Server = """
        echo "arguments: $* word: $WORD folder: $(pwd)" >&2
        while read -r line; do
          id=$(echo "$line" | sed -nE 's/.*"id":([0-9]+).*/\1/p')
          [ -n "$id" ] || continue
          case $line in
            *'"initialize"'*) result='{"protocolVersion":"2025-06-18","capabilities":{"tools":{}},"serverInfo":{"name":"image","version":"1"}}' ;;
            *'"tools/list"'*) result='{"tools":[{"name":"echo","inputSchema":{"type":"object"}}]}' ;;
            *) result='{"content":[{"type":"text","text":"from the image"}]}' ;;
          esac
          echo "{\"jsonrpc\":\"2.0\",\"id\":$id,\"result\":$result}"
        done
        """;

    private readonly DockerClient _client;

    private TestImage(DockerClient client, string name)
    {
        _client = client;
        Name = name;
    }

    public string Name { get; }

    public static async Task<TestImage> LoadAsync(DockerClient client)
    {
        const string shell = "/bin/busybox";
        Assert.SkipWhen(!File.Exists(shell), "busybox-static is not installed: script/install test.");
        var name = $"localhost/mcpcan-test-{Guid.NewGuid():N}:1";
        var layer = Tar(("bin/busybox", File.ReadAllBytes(shell)), ("bin/sh", null), ("bin/sed", null), ("srv/server.sh", Encoding.UTF8.GetBytes(Server)));
        var config = JsonSerializer.SerializeToUtf8Bytes(new
        {
            architecture = "amd64",
            os = "linux",
            config = new { Entrypoint = new[] { "/bin/sh", "/srv/server.sh" }, Cmd = new[] { "own" }, Env = new[] { "PATH=/bin", "WORD=image" }, WorkingDir = "/srv" },
            rootfs = new { type = "layers", diff_ids = new[] { "sha256:" + Convert.ToHexStringLower(SHA256.HashData(layer)) } },
        });
        var manifest = JsonSerializer.SerializeToUtf8Bytes(new[] { new { Config = "config.json", RepoTags = new[] { name }, Layers = new[] { "layer.tar" } } });
        using var archive = new MemoryStream(Tar(("manifest.json", manifest), ("config.json", config), ("layer.tar", layer)));
        await client.Images.LoadImageAsync(new ImageLoadParameters { Quiet = true }, archive, new Progress<JSONMessage>(), TestContext.Current.CancellationToken);
        return new(client, name);
    }

    public async ValueTask DisposeAsync() => await _client.Images.DeleteImageAsync(Name, new ImageDeleteParameters { Force = true }, CancellationToken.None);

    /// <summary>Files; without content a link to the shell.</summary>
    private static byte[] Tar(params (string Name, byte[]? Content)[] files)
    {
        using var stream = new MemoryStream();
        using (var tar = new TarWriter(stream, TarEntryFormat.Ustar, leaveOpen: true))
        {
            foreach (var (name, content) in files)
            {
                tar.WriteEntry(content is null
                    ? new UstarTarEntry(TarEntryType.SymbolicLink, name) { LinkName = "/bin/busybox" }
                    : new UstarTarEntry(TarEntryType.RegularFile, name) { DataStream = new MemoryStream(content), Mode = (UnixFileMode)0b111_101_101 });
            }
        }
        return stream.ToArray();
    }
}
