/*=========================================================================
 *
 *  Copyright itk-universeg developers
 *
 *  Licensed under the Apache License, Version 2.0 (the "License");
 *  you may not use this file except in compliance with the License.
 *  You may obtain a copy of the License at
 *
 *         https://www.apache.org/licenses/LICENSE-2.0.txt
 *
 *  Unless required by applicable law or agreed to in writing, software
 *  distributed under the License is distributed on an "AS IS" BASIS,
 *  WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied.
 *  See the License for the specific language governing permissions and
 *  limitations under the License.
 *
 *=========================================================================*/
#ifndef itkU2NetAdapterFilter_h
#define itkU2NetAdapterFilter_h

#include "itkImage.h"
#include "itkImageToImageFilter.h"
#include "itkNNFilterRun.h"
#include "itkSegmentationModel.h"
#include "itkU2NetSegmenter.h"
#include "itkUniverSegMacros.h"

#include <string>

namespace itk
{
/** \class U2NetAdapterFilter
 * \brief Segment volumes of any grid with one task (domain) of a 3D U2-Net: its adapters, and the
 * convolutions that all tasks share.
 *
 * Inputs: a 3-D scalar image, or one of each modality of the task, in the order in which the
 * network has them, all of one grid, with the intensities of the scanner. Output: the class of
 * each voxel, with the geometry of the first input.
 *
 * The images are cut to what is not 0, resampled to the task's spacing and normalised, the
 * network runs in sliding windows, the labels are cleaned, and go back to the grid of the images:
 * nn::U2NetPipeline has all numbers. They come from the text Pipeline where it is given, else
 * from the task of the paper that Preset names, else from the card of the model.
 *
 * The whole input is needed, whatever region is asked for. Work units are the number of threads,
 * up to the threads that ITK has.
 *
 * Throws ExceptionObject when there is no model, no such task, no pipeline, when the images are of
 * several sizes or do not fit the task, an intensity is NaN or infinite, or a class does not fit
 * the output pixel type.
 *
 * C. Huang et al., "3D U2-Net: A 3D Universal U-Net for Multi-Domain Medical Image
 * Segmentation", MICCAI 2019, arXiv 1909.06012; huangmozhilv/u2net_torch.
 * \ingroup UniverSegFiltering
 */
template <typename TInputImage, typename TOutputImage = Image<unsigned char, 3>>
class ITK_TEMPLATE_EXPORT U2NetAdapterFilter : public ImageToImageFilter<TInputImage, TOutputImage>
{
public:
  ITK_DISALLOW_COPY_AND_MOVE(U2NetAdapterFilter);

  using Self = U2NetAdapterFilter;
  using Superclass = ImageToImageFilter<TInputImage, TOutputImage>;
  using Pointer = SmartPointer<Self>;
  using ConstPointer = SmartPointer<const Self>;

  itkNewMacro(Self);
  itkOverrideGetNameOfClassMacro(U2NetAdapterFilter);

  static constexpr unsigned int ImageDimension = 3;
  static_assert(TInputImage::ImageDimension == 3 && TOutputImage::ImageDimension == 3,
                "U2NetAdapterFilter takes and makes 3-D images");

  using InputImageType = TInputImage;
  using OutputImageType = TOutputImage;
  using InputPixelType = typename TInputImage::PixelType;
  using OutputPixelType = typename TOutputImage::PixelType;
  using SizeType = typename TOutputImage::SizeType;
  static_assert(std::is_arithmetic<InputPixelType>::value, "U2NetAdapterFilter takes scalar images");

  /** The network and its weights. Required. */
  itkSetInputMacro(Model, SegmentationModel);
  itkGetInputMacro(Model, SegmentationModel);

  /** The number of the task; -1, the default: the one of TaskName, else the one that the model's
   * configuration names. */
  itkSetMacro(Task, int);
  itkGetConstMacro(Task, int);

  /** The task by its name in the model's card. Empty by default. */
  itkSetMacro(TaskName, std::string);
  itkGetConstReferenceMacro(TaskName, std::string);

  /** A task of the paper, such as "Task09_Spleen" or "spleen", whose numbers are taken in the
   * place of the card's. Empty by default. */
  itkSetMacro(Preset, std::string);
  itkGetConstReferenceMacro(Preset, std::string);

  /** Windows of a model with a Preset, in voxels, x first, as the network was trained; 0, the
   * default: the patch of the preset. */
  itkSetMacro(WindowSize, SizeType);
  itkGetConstReferenceMacro(WindowSize, SizeType);

  /** All numbers as JSON, as nn::U2NetPipeline::ToJson() writes them. Empty by default. */
  itkSetMacro(Pipeline, std::string);
  itkGetConstReferenceMacro(Pipeline, std::string);

  /** "auto", the default, or the name of a backend: "reference", "onednn", "cuda". */
  itkSetMacro(Backend, std::string);
  itkGetConstReferenceMacro(Backend, std::string);

  /** "cpu", the default, "cuda", "cuda:1", or "auto": "cuda" where there is one, else "cpu". */
  itkSetMacro(Device, std::string);
  itkGetConstReferenceMacro(Device, std::string);

  /** "float32", the default, or "float64"; on CUDA also "tf32", "bfloat16" and "float16". */
  itkSetMacro(Precision, std::string);
  itkGetConstReferenceMacro(Precision, std::string);

  /** The same bits in every run, on CUDA too. Off by default. */
  itkSetMacro(Deterministic, bool);
  itkGetConstMacro(Deterministic, bool);
  itkBooleanMacro(Deterministic);

protected:
  U2NetAdapterFilter() = default;
  ~U2NetAdapterFilter() override = default;

  void PrintSelf(std::ostream & os, Indent indent) const override;

  void VerifyPreconditions() const override;
  void GenerateOutputInformation() override;
  void GenerateInputRequestedRegion() override;
  void EnlargeOutputRequestedRegion(DataObject * output) override;
  void GenerateData() override;

private:
  nn::U2NetPipeline FindPipeline(int task) const;

  void Segment();

  int m_Task = -1;
  std::string m_TaskName;
  std::string m_Preset;
  SizeType m_WindowSize{ {} };
  std::string m_Pipeline;
  std::string m_Backend = "auto";
  std::string m_Device = "cpu";
  std::string m_Precision = "float32";
  bool m_Deterministic = false;
};
} // namespace itk

#ifndef ITK_MANUAL_INSTANTIATION
#  include "itkU2NetAdapterFilter.hxx"
#endif

#endif
