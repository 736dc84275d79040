# Calls the controllers of docs/integrate.md as Rails' router does: ruby shop.rb GALLERY SHOWN
require "logger"
require "action_controller"
require "rack/mock"
require_relative "gallery_api"

# What ActiveRecord would find, in memory.
Upload = Struct.new(:upload_id, :state) do
  def self.find_by(**wanted) = USER.uploads.find_by!(wanted)
  def update!(values) = values.each { |name, value| self[name] = value }
end
Gallery = Struct.new(:slug, :order_id) do
  def uploads = USER.uploads
end
User = Struct.new(:galleries, :uploads)
class Records < Array
  def find_by!(wanted)
    find { |record| wanted.all? { |name, value| record[name] == value } } or raise "#{wanted} not found"
  end

  def find_or_create_by!(wanted)
    find_by!(wanted)
  rescue RuntimeError
    self << Upload.new(wanted[:upload_id], "open")
  end
end
USER = User.new(Records.new([Gallery.new(ARGV[0], 17)]), Records.new)

class ApplicationController < ActionController::API
  def current_user = USER
end
require_relative "controllers"

def ask(controller, action, body: "", headers: {}, **path)
  env = Rack::MockRequest.env_for("/", method: "POST", input: body, "CONTENT_TYPE" => "application/json")
  headers.each { |name, value| env["HTTP_#{name.upcase.tr("-", "_")}"] = value }
  env["action_dispatch.request.path_parameters"] = path.merge(controller: controller.controller_path, action: action.to_s)
  status, _, answer = controller.action(action).call(env)
  text = +""
  answer.each { |part| text << part }
  [status, text]
end

content = File.binread("a.jpg")
files = [{ file_name: "a.jpg", size: content.bytesize, content_type: "image/jpeg", surplus: 1 }]
wanted = JSON.generate(files: files, attempt: "attempt-#{ARGV[0]}")
status, text = ask(GalleryUploadsController, :create, body: wanted, gallery_id: ARGV[0])
raise "#{status}: #{text}" unless status == 201
upload = JSON.parse(text)
_, again = ask(GalleryUploadsController, :create, body: wanted, gallery_id: ARGV[0])
raise "another upload" unless JSON.parse(again)["upload_id"] == upload["upload_id"]
sent = upload["files"].first
stored = Net::HTTP.start(URI(sent["url"]).host, URI(sent["url"]).port) do |http|
  http.send_request(sent["method"], URI(sent["url"]).request_uri, content, sent["headers"])
end
raise stored.body unless stored.is_a?(Net::HTTPSuccess)
status, text = ask(GalleryUploadsController, :complete, id: upload["upload_id"])
raise "#{status}: #{text}" unless status == 202

body, headers = File.read("body"), JSON.parse(File.read("headers"))
message = JSON.parse(body)
USER.uploads << Upload.new(message["upload_id"], "accepted")
status, = ask(GalleryCallbacksController, :create, body: body + " ", headers: headers)
raise "a changed body passed: #{status}" unless status == 401
status, = ask(GalleryCallbacksController, :create, body: body, headers: headers)
raise "callback: #{status}" unless status == 204
raise "not noted" unless USER.uploads.find_by!(upload_id: message["upload_id"]).state == message["state"]

shown = GalleryApi.images(ARGV[1]).map { |image| image["file_name"] }
puts JSON.generate(upload_id: upload["upload_id"], shown: shown, type: message["type"])
